package mime

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"radicado/ticket"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const authserv = "mx.certicamara.com"

// mailOf returns the bytes of a golden's mail. Words in the first line of the
// comment change them: "crlf" makes CRLF line ends, "escaped" reads \xNN,
// "chomp" drops the last line end.
func mailOf(a *txtar.Archive) []byte {
	var b []byte
	for _, f := range a.Files {
		if f.Name == "mail" {
			b = bytes.Clone(f.Data)
		}
	}
	first, _, _ := strings.Cut(string(a.Comment), "\n")
	flags := strings.Fields(first)
	for _, fl := range flags {
		switch fl {
		case "chomp":
			b = bytes.TrimRight(b, "\n")
		case "crlf":
			b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
		case "escaped":
			b = hexEscape.ReplaceAllFunc(b, func(m []byte) []byte {
				n, _ := strconv.ParseUint(string(m[2:]), 16, 8)
				return []byte{byte(n)}
			})
		}
	}
	return b
}

var hexEscape = regexp.MustCompile(`\\x[0-9a-f]{2}`)

func reopener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func goldens(t testing.TB) []string {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestGolden(t *testing.T) {
	files := goldens(t)
	if len(files) < 40 {
		t.Fatalf("only %d goldens found", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			mail := mailOf(a)
			m, err := Parse(bytes.NewReader(mail), Options{AuthservID: authserv, Reopen: reopener(mail)})
			if err != nil {
				t.Fatal(err)
			}
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(m); err != nil {
				t.Fatal(err)
			}
			checkMail(t, m)
			got := buf.String()
			if *update {
				files := []txtar.File{}
				for _, f := range a.Files {
					if f.Name == "mail" {
						files = append(files, f)
					}
				}
				a.Files = append(files, txtar.File{Name: "want.json", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := ""
			for _, f := range a.Files {
				if f.Name == "want.json" {
					want = string(f.Data)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// checkMail holds for every mail, whatever its bytes.
func checkMail(t testing.TB, m *ticket.Mail) {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatalf("no JSON: %v", err)
	}
	if bytes.Contains(b, []byte(":null,")) {
		for _, key := range []string{"in_reply_to", "references", "reply_to", "to", "cc", "attachments", "warnings"} {
			if bytes.Contains(b, []byte(`"`+key+`":null`)) {
				t.Errorf("%s is null", key)
			}
		}
	}
	text := func(name, s string, max int) {
		if got := clean(s); got != s {
			t.Errorf("%s is not clean UTF-8 in NFC: %q", name, s)
		}
		if len(s) > max {
			t.Errorf("%s has %d bytes, more than %d", name, len(s), max)
		}
	}
	text("text", m.Text, 1<<20)
	text("html", m.HTML, 1<<20)
	text("new_text", m.NewText, 1<<20)
	text("subject", m.Subject, 20_000)
	text("message_id", m.MessageID, 4000)
	text("from", m.From.Name+m.From.Address, 2000)
	for _, l := range [][]ticket.Address{m.To, m.Cc, m.ReplyTo} {
		if len(l) > maxAddresses {
			t.Errorf("%d addresses", len(l))
		}
		for _, a := range l {
			text("address", a.Name+"\n"+a.Address, 2000)
		}
	}
	for _, id := range append(append([]string{}, m.InReplyTo...), m.References...) {
		text("id", id, 4000)
	}
	for _, a := range m.Attachments {
		text("filename", a.Filename, 1000)
		text("content type", a.ContentType, 200)
		text("content id", a.ContentID, 4000)
	}
	for _, w := range m.Warnings {
		text("warning", w.Code+w.Detail, 1000)
	}
	text("quarantine", m.Quarantine, 300)
	if m.Bounce != nil {
		text("bounce", m.Bounce.Recipient+m.Bounce.Status+m.Bounce.Diagnostic+m.Bounce.OriginalMessageID, 8000)
	}
	text("authentication", m.Authentication.SPF+m.Authentication.DKIM+m.Authentication.DMARC, 300)
	if (m.Bounce != nil) != (m.Automatic == ticket.BounceReport) {
		t.Errorf("bounce %v, automatic %q", m.Bounce, m.Automatic)
	}
}

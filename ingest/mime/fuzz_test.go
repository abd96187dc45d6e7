package mime

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"radicado/ticket"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func goldenMail(t testing.TB, file string) []byte {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return mailOf(a)
}

func goldenResult(t testing.TB, file string) *ticket.Mail {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := &ticket.Mail{}
	for _, f := range a.Files {
		if f.Name == "want.json" {
			if err := json.Unmarshal(f.Data, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

func diffMail(a, b *ticket.Mail) string {
	x, _ := json.MarshalIndent(a, "", " ")
	y, _ := json.MarshalIndent(b, "", " ")
	return cmp.Diff(string(x), string(y))
}

func FuzzParse(f *testing.F) {
	for _, file := range goldens(f) {
		f.Add(goldenMail(f, file))
	}
	f.Fuzz(func(t *testing.T, mail []byte) {
		r := &countingReader{r: bytes.NewReader(mail)}
		o := Options{AuthservID: authserv, Reopen: reopener(mail), Limits: Limits{HeaderBytes: 8 << 10, Depth: 5, Parts: 20}}
		m, err := Parse(r, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.n != int64(len(mail)) || !r.eof {
			t.Errorf("read %d of %d bytes, end seen: %v", r.n, len(mail), r.eof)
		}
		checkMail(t, m)
		if len(m.Attachments) > 20+maxRepairParts {
			t.Errorf("%d attachments", len(m.Attachments))
		}
		again, _ := Parse(bytes.NewReader(mail), o)
		if d := diffMail(m, again); d != "" {
			t.Errorf("not the same twice: %s", d)
		}
	})
}

func FuzzNewText(f *testing.F) {
	for _, file := range goldens(f) {
		m := goldenResult(f, file)
		f.Add(m.Text, m.Subject)
	}
	f.Fuzz(func(t *testing.T, text, subject string) {
		got := newText(text, subject)
		if !utf8.ValidString(got) || clean(got) != got {
			t.Errorf("not clean: %q", got)
		}
		if max := len(clean(text)); len(got) > max {
			t.Errorf("%d bytes from %d", len(got), max)
		}
		if again := newText(got, subject); again != got {
			t.Errorf("not idempotent:\n%q\n%q", got, again)
		}
		if got == "" && !isReplySubject(subject) && tidy(clean(text)) != "" {
			t.Errorf("nothing is left of %q", text)
		}
	})
}

func FuzzAddressList(f *testing.F) {
	for _, file := range goldens(f) {
		for line := range strings.SplitSeq(string(goldenMail(f, file)), "\n") {
			if _, v, ok := strings.Cut(line, ": "); ok && strings.Contains(v, "@") {
				f.Add(v)
			}
		}
	}
	f.Fuzz(func(t *testing.T, v string) {
		list := parseAddressList(v)
		if len(list) > 2*maxAddresses+2 && len(v) > maxStrict {
			t.Errorf("%d addresses", len(list))
		}
		for _, a := range list {
			if clean(a.Name) != a.Name || clean(a.Address) != a.Address || strings.ContainsAny(a.Name+a.Address, "\r\n") {
				t.Errorf("not clean: %q", a)
			}
			if len(a.Address) > 1000 || len(a.Name) > 500 || a.Address == "" {
				t.Errorf("size: %q", a)
			}
			// What we give out we read back.
			again := parseAddressList("<" + a.Address + ">")
			if strings.Count(a.Address, "@") == 1 && !strings.ContainsAny(a.Address, "\"\\(),:;<>[]") && (len(again) != 1 || again[0].Address != a.Address) {
				t.Errorf("%q read back as %v", a.Address, again)
			}
		}
	})
}

func FuzzHTMLText(f *testing.F) {
	for _, file := range goldens(f) {
		if m := goldenResult(f, file); m.HTML != "" {
			f.Add(m.HTML)
		}
	}
	f.Add("<blockquote>a<blockquote>b</blockquote>c</blockquote>d")
	f.Fuzz(func(t *testing.T, s string) {
		got := htmlText(s)
		if clean(got) != got {
			t.Errorf("not clean: %q", got)
		}
		if len(got) > 20*len(s)+100 && len(got) > maxHTMLText+64<<10 {
			t.Errorf("%d bytes from %d", len(got), len(s))
		}
		if again := htmlText(s); again != got {
			t.Error("not the same twice")
		}
	})
}

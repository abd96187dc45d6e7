package mime

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"radicado/ticket"
)

// within fails the test if f takes longer than the limit. The race detector
// makes everything several times slower.
func within(t *testing.T, f func()) {
	t.Helper()
	limit := time.Second
	if raceEnabled {
		limit = 10 * time.Second
	}
	start := time.Now()
	f()
	if d := time.Since(start); d > limit {
		t.Errorf("took %v, more than %v", d, limit)
	}
}

func parse(t *testing.T, mail string, l Limits) *ticket.Mail {
	t.Helper()
	r := &countingReader{r: strings.NewReader(mail)}
	m, err := Parse(r, Options{Limits: l, Reopen: reopener([]byte(mail))})
	if err != nil {
		t.Fatal(err)
	}
	if r.n != int64(len(mail)) || !r.eof {
		t.Errorf("read %d of %d bytes, end seen: %v", r.n, len(mail), r.eof)
	}
	checkMail(t, m)
	return m
}

type countingReader struct {
	r   io.Reader
	n   int64
	eof bool
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.eof = c.eof || err == io.EOF
	return n, err
}

func TestNestedMultiparts(t *testing.T) {
	for _, levels := range []int{1000, 10_000} {
		var sb strings.Builder
		sb.WriteString("From: a@x.example\nSubject: bomba\n")
		for i := range levels {
			fmt.Fprintf(&sb, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		sb.WriteString("Content-Type: text/plain\n\nfondo\n")
		for i := levels - 1; i >= 0; i-- {
			fmt.Fprintf(&sb, "--b%d--\n", i)
		}
		within(t, func() {
			m := parse(t, sb.String(), Limits{})
			if !strings.HasPrefix(m.Quarantine, "nested-too-deep: ") {
				t.Errorf("quarantine %q", m.Quarantine)
			}
		})
	}
}

func TestEmptyParts(t *testing.T) {
	mail := "From: a@x.example\nSubject: bomba\nContent-Type: multipart/mixed; boundary=b\n\n" +
		"--b\n\nprimero\n" + strings.Repeat("--b\n\n\n", 100_000) + "--b--\n"
	within(t, func() {
		m := parse(t, mail, Limits{})
		if !strings.HasPrefix(m.Quarantine, "too-many-parts: ") || m.Text != "primero" {
			t.Errorf("quarantine %q, text %q", m.Quarantine, m.Text)
		}
	})
}

func TestNestedDivs(t *testing.T) {
	const n = 100_000
	body := strings.Repeat("<div>", n) + "fondo" + strings.Repeat("</div>", n) + "<p>después</p>"
	within(t, func() {
		if got := htmlText(body); got != "fondo\n\ndespués" {
			t.Errorf("got %q", clip(got, 200))
		}
	})
	within(t, func() {
		htmlText(strings.Repeat("<blockquote><p>x", n))
	})
}

// TestHostileText holds the time of the text rules to linear.
func TestHostileText(t *testing.T) {
	if raceEnabled {
		t.Skip("measures time, and starts no goroutine")
	}
	for name, s := range map[string]string{
		"attributions": strings.Repeat("El 3 de marzo de 2026, x@y.example\n", 20_000),
		"written":      strings.Repeat("El 3/3/26 a las 14:05, N escribió:\n\n", 20_000),
		"blocks":       strings.Repeat("De: a\nPara: b\n", 30_000),
		"forwards":     strings.Repeat("---------- Forwarded message ---------\n", 20_000),
		"quotes":       strings.Repeat(">", 500_000),
		"disclaimers":  strings.Repeat("AVISO LEGAL\n", 50_000),
		"weak":         strings.Repeat("Este mensaje\n", 50_000),
		"dashes":       strings.Repeat("--\n", 200_000),
		"closings":     strings.Repeat("Gracias\n", 100_000),
		"banners":      strings.Repeat("Este correo externo\n", 50_000),
		"long line":    strings.Repeat("El señor ", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func() { newText(s, "Fwd: x") })
			within(t, func() { newText(s, "RE: x") })
		})
	}
}

func TestHostileHeaders(t *testing.T) {
	if raceEnabled {
		t.Skip("measures time, and starts no goroutine")
	}
	for name, s := range map[string]string{
		"addresses":    "To: " + strings.Repeat("a@x.example, ", 40_000),
		"commas":       "To: " + strings.Repeat(",", 500_000),
		"nested":       "To: " + strings.Repeat("(", 500_000),
		"names":        "To: " + strings.Repeat("ñ, ", 120_000) + "<a@x.example>",
		"references":   "References: " + strings.Repeat("<a@x> ", 80_000),
		"words":        "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 30_000),
		"broken words": "Subject: " + strings.Repeat("=?", 250_000),
		"params":       "Content-Type: multipart/mixed" + strings.Repeat("; a=b", 90_000),
		"quotes":       "Content-Type: text/plain; x=\"" + strings.Repeat("\\\"", 200_000),
		"folds":        "Subject: x" + strings.Repeat("\n y", 120_000),
		"fields":       strings.Repeat("X-A: b\n", 60_000) + "Subject: x",
		"date":         "Date: " + strings.Repeat("(", 500_000),
		"authres":      "Authentication-Results: x; " + strings.Repeat("spf=pass; ", 5_000),
		"continued":    "Content-Disposition: attachment" + strings.Repeat("; filename*1*=a", 30_000),
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func() { parse(t, "From: a@x.example\n"+s+"\n\ntexto\n", Limits{}) })
		})
	}
}

func TestHeaderLimit(t *testing.T) {
	for name, mail := range map[string]string{
		"one line":   "From: a@x.example\nSubject: " + strings.Repeat("x", 2<<20) + "\n\ntexto\n",
		"many lines": "From: a@x.example\n" + strings.Repeat("X-A: bbbbbbbbbbbbbbbbbbbb\n", 100_000) + "\ntexto\n",
		"no end":     "From: a@x.example\nX-A: " + strings.Repeat("x", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, mail, Limits{})
			if !strings.HasPrefix(m.Quarantine, "header-too-large: ") {
				t.Errorf("quarantine %q", m.Quarantine)
			}
			if m.From.Address != "a@x.example" {
				t.Errorf("from %v", m.From)
			}
			if name != "no end" && m.Text != "texto" {
				t.Errorf("text %q", m.Text)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	m := parse(t, "", Limits{})
	if !strings.HasPrefix(m.Quarantine, "empty: ") {
		t.Errorf("quarantine %q", m.Quarantine)
	}
}

func TestTextLimit(t *testing.T) {
	m := parse(t, "From: a@x.example\nContent-Type: text/plain; charset=utf-8\n\n"+strings.Repeat("ñ", 100), Limits{TextBytes: 51})
	if m.Text != strings.Repeat("ñ", 25) || len(m.Warnings) != 1 || m.Warnings[0].Code != "text-too-large" {
		t.Errorf("text %q, warnings %v", m.Text, m.Warnings)
	}
}

// TestTruncation cuts a mail at every byte: from the first boundary on no cut
// may pass for a whole mail.
func TestTruncation(t *testing.T) {
	mail := "From: a@x.example\r\nSubject: corte\r\nContent-Type: multipart/mixed; boundary=\"bb\"\r\n\r\n" +
		"--bb\r\nContent-Type: text/plain\r\n\r\nHola\r\n--bb\r\nContent-Type: application/pdf; name=a.pdf\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 40)) + "\r\n--bb--"
	if m := parse(t, mail, Limits{}); m.Quarantine != "" {
		t.Fatalf("whole mail: %q", m.Quarantine)
	}
	for n := range len(mail) {
		m := parse(t, mail[:n], Limits{})
		atLineEnd := n > 0 && mail[n-1] == '\n' && n <= strings.Index(mail, "\r\n\r\n")+2
		if m.Quarantine == "" && !atLineEnd {
			t.Errorf("cut at %d of %d passes: %q", n, len(mail), mail[max(0, n-20):n])
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("connection lost")
	r := io.MultiReader(strings.NewReader("From: a@x.example\nSubject: x\n\nmedio"), iotest.ErrReader(broken))
	m, err := Parse(r, Options{})
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	if m == nil || m.Subject != "x" || m.Text != "medio" {
		t.Errorf("mail %+v", m)
	}
}

func TestSmallReads(t *testing.T) {
	for _, file := range goldens(t) {
		mail := goldenMail(t, file)
		a, err := Parse(bytes.NewReader(mail), Options{Reopen: reopener(mail)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(iotest.OneByteReader(bytes.NewReader(mail)), Options{Reopen: reopener(mail)})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file, "bare-cr") { // seen in the first buffer only
			continue
		}
		if d := diffMail(a, b); d != "" {
			t.Errorf("%s read byte by byte: %s", file, d)
		}
	}
}

// bigMail streams a mail with an attachment of size bytes and its digest.
func bigMail(size int) (io.Reader, [32]byte) {
	chunk := bytes.Repeat([]byte("0123456789abcdef\n"), 57*64/17+1)[:57*64]
	var lines strings.Builder
	for i := 0; i < len(chunk); i += 57 {
		lines.WriteString(base64.StdEncoding.EncodeToString(chunk[i:i+57]) + "\r\n")
	}
	sum := sha256.New()
	n := size / len(chunk)
	readers := []io.Reader{strings.NewReader("From: a@x.example\r\nSubject: grande\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nHola\r\n--b\r\nContent-Type: video/mp4; name=a.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n")}
	for range n {
		sum.Write(chunk)
		readers = append(readers, strings.NewReader(lines.String()))
	}
	readers = append(readers, strings.NewReader("\r\n--b--\r\n"))
	return io.MultiReader(readers...), [32]byte(sum.Sum(nil))
}

func TestMemory(t *testing.T) {
	r, want := bigMail(40 << 20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m, err := Parse(r, Options{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].SHA256 != ticket.Digest(want) || m.Quarantine != "" {
		t.Errorf("attachments %v, quarantine %q", m.Attachments, m.Quarantine)
	}
	// All that was ever allocated is more than what was held at any time.
	if got := after.TotalAlloc - before.TotalAlloc; got > 5<<20 {
		t.Errorf("allocated %d kB for a mail of 40 MB", got>>10)
	} else {
		t.Logf("allocated %d kB", got>>10)
	}
}

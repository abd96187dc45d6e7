package imap_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"radicado/ingest/imap"
	"radicado/ingest/imap/dovecottest"
)

// loginsBy starts a source over Dovecot with these mechanisms and returns the
// AUTHENTICATE and LOGIN commands that it sent, one a login.
func loginsBy(t *testing.T, mechanisms string, change func(*dovecottest.Server, *imap.Options)) (list []string) {
	t.Helper()
	s := dovecottest.Start(t, "soporte")
	s.Stop()
	if err := s.SetMechanisms(mechanisms); err != nil {
		t.Fatal(err)
	}
	o := realOptions(s, imap.SecurityNone)
	if change != nil {
		change(s, &o)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	realDeliver(t, s, 1, 1, 0)
	proxy := newProxy(t, s.Addr())
	if o.Security == imap.SecurityNone {
		o.Server = proxy.Addr()
	}
	sink := newSink(t)
	_, stop := run(t, o, sink)
	sink.wait(1)
	proxy.Drop() // a second login, which knows what the first has learned
	realDeliver(t, s, 2, 2, 0)
	sink.wait(2)
	stop()
	wantBodies(t, sink.wait(2), 0, 1, 2)
	for line := range strings.Lines(proxy.Sent()) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == "AUTHENTICATE" {
			list = append(list, fields[2])
		} else if len(fields) > 1 && fields[1] == "LOGIN" {
			list = append(list, "LOGIN")
		}
	}
	return list
}

func TestDovecotMechanisms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ offered, want string }{
		{"plain scram-sha-1 scram-sha-256 cram-md5", "SCRAM-SHA-256 SCRAM-SHA-256"},
		{"plain cram-md5 scram-sha-1", "SCRAM-SHA-1 SCRAM-SHA-1"},
		{"plain cram-md5", "CRAM-MD5 CRAM-MD5"}, // without TLS
		{"cram-md5", "CRAM-MD5 CRAM-MD5"},
		{"plain login", "PLAIN PLAIN"},
	} {
		t.Run(tt.offered, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(loginsBy(t, tt.offered, nil), " "); got != tt.want {
				t.Errorf("logged in by %s, want %s", got, tt.want)
			}
		})
	}
}

// A password that the server keeps as a hash of its own fits no SCRAM: PLAIN is
// tried, and only PLAIN from then on.
func TestDovecotScramWithoutSecret(t *testing.T) {
	t.Parallel()
	got := loginsBy(t, "scram-sha-256 plain", func(s *dovecottest.Server, _ *imap.Options) {
		if err := s.SetHashed("soporte"); err != nil {
			t.Fatal(err)
		}
	})
	if got := strings.Join(got, " "); got != "SCRAM-SHA-256 PLAIN PLAIN" {
		t.Errorf("logged in by %s", got)
	}
}

func TestDovecotScramOverTLS(t *testing.T) {
	t.Parallel()
	s := dovecottest.Start(t, "soporte")
	s.Stop()
	if err := s.SetMechanisms("scram-sha-256"); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	realDeliver(t, s, 1, 1, 0)
	for _, security := range []string{imap.SecurityTLS, imap.SecurityStartTLS} {
		sink := newSink(t)
		_, stop := run(t, realOptions(s, security), sink)
		sink.wait(1)
		stop()
	}
	// A wrong password is a wrong password here too.
	o := realOptions(s, imap.SecurityTLS)
	o.Password = func(context.Context) (string, error) { return "equivocada", nil }
	source, stop := run(t, o, newSink(t))
	until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
	stop()
	if e := source.Status().LastError; !strings.Contains(e, "AUTHENTICATIONFAILED") {
		t.Errorf("error %q", e)
	}
}

// A server that says OK without proof, or asks for endless reckoning, has not
// been logged in to.
func TestScramServerMustProveItself(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		challenge func(first string) string // "" goes on to OK
		want      string
	}{
		"OK at once":      {func(string) string { return "" }, "did not prove"},
		"many iterations": {func(nonce string) string { return "r=" + nonce + "x,s=c2Fs,i=400000000" }, "iterations"},
		"few iterations":  {func(nonce string) string { return "r=" + nonce + "x,s=c2Fs,i=1" }, "too few"},
		"other nonce":     {func(string) string { return "r=x,s=c2Fs,i=4096" }, "nonce"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			defer serving.Wait()
			defer l.Close()
			serving.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					scramServer(c, tt.challenge)
					c.Close()
				}
			})
			source, stop := run(t, options(l.Addr().String()), newSink(t))
			until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
			stop()
			if e := source.Status().LastError; !strings.Contains(e, tt.want) {
				t.Errorf("error %q, want one with %q", e, tt.want)
			}
		})
	}
}

func scramServer(c net.Conn, challenge func(nonce string) string) {
	_, _ = io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] ready\r\n")
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[1] != "AUTHENTICATE" {
			return
		}
		first, err := base64.StdEncoding.DecodeString(fields[3])
		if err != nil {
			return
		}
		_, nonce, _ := strings.Cut(string(first), "r=")
		if text := challenge(nonce); text != "" {
			_, _ = fmt.Fprintf(c, "+ %s\r\n", base64.StdEncoding.EncodeToString([]byte(text)))
			lines.Scan()
		}
		_, _ = fmt.Fprintf(c, "%s OK [CAPABILITY IMAP4rev1] in\r\n", fields[0])
	}
}

package imap_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"radicado/ingest/imap"
	"radicado/ingest/imap/imaptest"
	"radicado/ingest/imap/oauth"
	"radicado/ingest/imap/oauthtest"
)

// tokenSetup is a server that takes an authority's tokens, behind a proxy that
// can cut connections.
type tokenSetup struct {
	authority *oauthtest.Authority
	server    *imaptest.Server
	proxy     *imaptest.Proxy
	o         imap.Options
	logs      *logBuffer // of the token source
}

func newTokenSetup(t *testing.T, mechanisms ...string) *tokenSetup {
	t.Helper()
	s := &tokenSetup{authority: oauthtest.New(time.Hour), server: newServer(t), logs: &logBuffer{}}
	s.server.RequireTokens(func(user, token string) bool { return user == "soporte" && s.authority.Good(token) }, mechanisms...)
	s.proxy = newProxy(t, s.server.Addr())
	file := filepath.Join(t.TempDir(), "soporte.token")
	if err := os.WriteFile(file, []byte(s.authority.Grant()), 0o600); err != nil {
		t.Fatal(err)
	}
	web := s.authority.Start()
	t.Cleanup(web.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	tokens, err := oauth.New(oauth.Options{
		Authority:    oauth.Authority{TokenURL: web.URL + "/token"},
		ClientID:     oauthtest.ClientID,
		ClientSecret: func() (string, error) { return oauthtest.ClientSecret, nil },
		TokenFile:    file,
		Transport:    transport,
		Logger:       slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.o = options(s.proxy.Addr())
	s.o.Password, s.o.Tokens = nil, tokens
	return s
}

// run is run, and looks for secrets in what is logged and shown.
func (s *tokenSetup) run(t *testing.T, sink *memorySink) (source *imap.Source, stop func()) {
	t.Helper()
	source, end := run(t, s.o, sink)
	return source, func() {
		status := source.Status()
		end()
		for _, secret := range s.authority.Secrets() {
			for what, text := range map[string]string{"status": status.LastError, "token source's log": s.logs.String()} {
				if strings.Contains(text, secret) {
					t.Errorf("the %s holds %q: %s", what, secret, text)
				}
			}
		}
	}
}

func TestLoginByToken(t *testing.T) {
	t.Parallel()
	for _, mechanisms := range [][]string{{"XOAUTH2"}, {"OAUTHBEARER"}, {"XOAUTH2", "OAUTHBEARER"}} {
		t.Run(strings.Join(mechanisms, "+"), func(t *testing.T) {
			t.Parallel()
			s := newTokenSetup(t, mechanisms...)
			deliver(t, s.server, "INBOX", 1, 5, 500)
			sink := newSink(t)
			_, stop := s.run(t, sink)
			wantMails(t, sink.wait(5), "INBOX", 500, 1, 2, 3, 4, 5)
			stop()
			if n := s.server.Logins(); n != 1 {
				t.Errorf("%d logins, want 1", n)
			}
		})
	}
}

// A token that the server takes no more is renewed at once, and no mail is lost
// or taken twice over it.
func TestTokenEndsAtTheServer(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"XOAUTH2", "OAUTHBEARER"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			s := newTokenSetup(t, mechanism)
			s.authority.Rotate()
			// A pause would be waited out by nobody: the renewal must not need one.
			s.o.BackoffMin, s.o.BackoffMax = time.Millisecond, time.Millisecond
			sink := newSink(t)
			_, stop := s.run(t, sink)
			for n := 1; n <= 4; n++ {
				deliver(t, s.server, "INBOX", n, n, 500)
				sink.wait(n)
				s.authority.Revoke()
				s.proxy.Drop()
			}
			deliver(t, s.server, "INBOX", 5, 5, 500)
			wantMails(t, sink.wait(5), "INBOX", 500, 1, 2, 3, 4, 5)
			stop()
			// One at the start and one for each time that it was revoked.
			if n := s.authority.Requests("refresh_token"); n < 2 || n > 5 {
				t.Errorf("%d tokens were asked for, want 2 to 5", n)
			}
		})
	}
}

// stubTokens gives tokens that no server takes.
type stubTokens struct {
	mu      sync.Mutex
	given   int
	renewed int
}

func (s *stubTokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given++
	return "t0ken-de-nadie", nil
}

func (s *stubTokens) Renew(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewed++
}

func (s *stubTokens) Ends() time.Time { return time.Time{} }

func (s *stubTokens) counts() (given, renewed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given, s.renewed
}

// Only the first refusal is answered at once: the second waits.
func TestTokenRefusedTwiceBacksOff(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"XOAUTH2", "OAUTHBEARER"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			s := newTokenSetup(t, mechanism)
			tokens := &stubTokens{}
			s.o.Tokens = tokens
			s.o.BackoffMin, s.o.BackoffMax = time.Hour, time.Hour
			source, stop := s.run(t, newSink(t))
			until(t, "a failure", func() bool { return source.Status().LastError != "" })
			status := source.Status()
			stop()
			if given, renewed := tokens.counts(); given != 2 || renewed != 2 {
				t.Errorf("%d tokens tried and %d renewed, want 2 and 2", given, renewed)
			}
			if !strings.Contains(status.LastError, mechanism) || !strings.Contains(status.LastError, `status "`) {
				t.Errorf("error %q does not tell the mechanism and the server's status", status.LastError)
			}
			if strings.Contains(status.LastError, "t0ken-de-nadie") {
				t.Errorf("error %q holds the token", status.LastError)
			}
		})
	}
}

// An authority that refuses is a clear error, and its recovery needs no restart.
func TestAuthorityRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	s := newTokenSetup(t, "XOAUTH2")
	s.authority.Refuse("invalid_grant", "AADSTS70008: the refresh token has expired")
	deliver(t, s.server, "INBOX", 1, 3, 500)
	sink := newSink(t)
	source, stop := s.run(t, sink)
	until(t, "several failures", func() bool { return source.Status().Failures >= 3 })
	status := source.Status()
	if !strings.Contains(status.LastError, "invalid_grant") || !strings.Contains(status.LastError, "AADSTS70008") {
		t.Errorf("error %q does not tell what the authority said", status.LastError)
	}
	s.authority.Refuse("", "")
	wantMails(t, sink.wait(3), "INBOX", 500, 1, 2, 3)
	until(t, "no error", func() bool { return source.Status().LastError == "" })
	stop()
}

// A slow authority delays its own mailbox and does not keep the program from
// ending.
func TestStopWhileTheAuthorityIsSlow(t *testing.T) {
	t.Parallel()
	s := newTokenSetup(t, "XOAUTH2")
	release := s.authority.Hold()
	defer release()
	s.o.Grace = 50 * time.Millisecond
	_, stop := s.run(t, newSink(t))
	until(t, "a connection", func() bool { return s.proxy.Connections() == 1 })
	start := time.Now()
	stop()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestServerWithoutTokenLogin(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	o := options(server.Addr())
	o.Password, o.Tokens = nil, &stubTokens{}
	source, stop := run(t, o, newSink(t))
	until(t, "a failure", func() bool { return source.Status().LastError != "" })
	if got := source.Status().LastError; !strings.Contains(got, "neither OAUTHBEARER nor XOAUTH2") {
		t.Errorf("error %q", got)
	}
	stop()
	if n := server.Logins(); n != 0 {
		t.Errorf("%d logins were tried by other means", n)
	}
}

func TestTokensOrPassword(t *testing.T) {
	t.Parallel()
	o := options("127.0.0.1:143")
	o.Tokens = &stubTokens{}
	if err := o.Validate(); err == nil {
		t.Error("both accepted")
	}
	o.Password = nil
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	o.Tokens = nil
	if err := o.Validate(); err == nil {
		t.Error("neither accepted")
	}
}

// The bytes of XOAUTH2, as Google and Microsoft document them: the error in
// base64 is answered with an empty line.
func TestXOAUTH2OnTheWire(t *testing.T) {
	t.Parallel()
	challenge := base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`))
	exchanges := make(chan [2]string, 10)
	server := newSASLScript(t, "+ "+challenge+"\r\n", exchanges)
	o := options(server)
	o.Password, o.Tokens = nil, &stubTokens{}
	o.BackoffMin, o.BackoffMax = time.Hour, time.Hour
	source, stop := run(t, o, newSink(t))
	until(t, "a failure", func() bool { return source.Status().LastError != "" })
	stop()
	want := "AUTHENTICATE XOAUTH2 " + base64.StdEncoding.EncodeToString([]byte("user=soporte\x01auth=Bearer t0ken-de-nadie\x01\x01"))
	if got := <-exchanges; got != [2]string{want, ""} {
		t.Errorf("sent %q, want %q and an empty line", got, want)
	}
	if got := source.Status().LastError; !strings.Contains(got, `status "400"`) {
		t.Errorf("error %q", got)
	}
}

// newSASLScript is a server that answers AUTHENTICATE with a challenge, and
// tells the command and the line that came after.
func newSASLScript(t *testing.T, challenge string, exchanges chan<- [2]string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewScanner(c)
		fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n")
		for in.Scan() {
			tag, command, _ := strings.Cut(in.Text(), " ")
			if !strings.HasPrefix(command, "AUTHENTICATE") {
				fmt.Fprint(c, "* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n"+tag+" OK done\r\n")
				continue
			}
			fmt.Fprint(c, challenge)
			answer := "nothing"
			if in.Scan() {
				answer = in.Text()
			}
			exchanges <- [2]string{command, answer}
			fmt.Fprint(c, tag+" NO [AUTHENTICATIONFAILED] no\r\n")
		}
	}
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

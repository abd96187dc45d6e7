package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"radicado/ingest/imap/oauth"
	"radicado/ingest/imap/oauthtest"
)

// setup is an authority with a client of it, without a network.
type setup struct {
	*oauthtest.Authority
	o    oauth.Options
	logs *bytes.Buffer
}

func newSetup(t *testing.T, file bool) *setup {
	t.Helper()
	a := oauthtest.New(time.Hour)
	s := &setup{Authority: a, logs: new(bytes.Buffer)}
	s.o = oauth.Options{
		Authority:    oauth.Authority{TokenURL: "https://login.example.com/token", DeviceURL: "https://login.example.com/device"},
		ClientID:     oauthtest.ClientID,
		ClientSecret: func() (string, error) { return oauthtest.ClientSecret, nil },
		Transport:    a,
		Logger:       slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if file {
		s.o.TokenFile = filepath.Join(t.TempDir(), "soporte.token")
		if err := os.WriteFile(s.o.TokenFile, []byte(a.Grant()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.noSecret(t, "log", s.logs.String()) })
	return s
}

// wantRefused checks a login that failed with the authority's code: the error
// holds no secret, and the token file is as before.
func (s *setup) wantRefused(t *testing.T, err error, code string, before []byte) {
	t.Helper()
	var refused *oauth.Error
	if !errors.As(err, &refused) || refused.Code != code {
		t.Fatalf("error %v, want %s", err, code)
	}
	s.noSecret(t, "error", err.Error())
	after, err := os.ReadFile(s.o.TokenFile)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a failed login changed the token file (%v)", err)
	}
}

func (s *setup) noSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range s.Secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("the %s holds the secret %s:\n%s", what, secret, text)
		}
	}
}

func (s *setup) source(t *testing.T) *oauth.Source {
	t.Helper()
	src, err := oauth.New(s.o)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (s *setup) token(t *testing.T, src *oauth.Source) string {
	t.Helper()
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Good(token) {
		t.Fatalf("token %q is not good", token)
	}
	return token
}

func TestRenewedBeforeItEnds(t *testing.T) {
	for _, file := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, file)
			src := s.source(t)
			first := s.token(t, src)
			time.Sleep(54 * time.Minute)
			if got := s.token(t, src); got != first {
				t.Errorf("six minutes before its end the token was renewed")
			}
			time.Sleep(2 * time.Minute)
			second := s.token(t, src)
			if second == first {
				t.Errorf("four minutes before its end the token was not renewed")
			}
			src.Renew(first)
			if got := s.token(t, src); got != second {
				t.Errorf("the refusal of an old token renewed the new one")
			}
			src.Renew(second)
			if got := s.token(t, src); got == second {
				t.Errorf("a refused token was given again")
			}
		})
	}
}

func TestRotatedTokenSurvivesRestart(t *testing.T) {
	s := newSetup(t, true)
	s.Rotate()
	for range 3 {
		before := s.Refresh()
		s.token(t, s.source(t)) // each a process of its own
		if s.Refresh() == before {
			t.Fatal("not rotated")
		}
	}
	info, err := os.Stat(s.o.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("token file has mode %04o", info.Mode().Perm())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.o.TokenFile), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The access token is not given out before the rotated refresh token is on
// disk, and that token is not lost.
func TestRotatedTokenThatCannotBeSaved(t *testing.T) {
	s := newSetup(t, true)
	s.Rotate()
	dir := filepath.Dir(s.o.TokenFile)
	away := dir + ".away"
	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Error(err)
		}
	}
	broken := true
	s.o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		answer, err := s.Authority.RoundTrip(r)
		if broken { // the directory is gone once the authority has answered
			rename(dir, away)
		}
		return answer, err
	})
	src := s.source(t)
	_, err := src.Token(t.Context())
	if err == nil {
		t.Fatal("a token was given whose refresh token is not on disk")
	}
	s.noSecret(t, "error", err.Error())
	broken = false
	rename(away, dir)
	s.token(t, src) // the authority knows the rotated refresh token alone
	s.token(t, s.source(t))
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLoginNeedsNoRestart(t *testing.T) {
	s := newSetup(t, true)
	src := s.source(t)
	s.token(t, src)
	fresh := s.Grant() // the old one is good no more
	src.Renew(s.token(t, src))
	_, err := src.Token(t.Context())
	var refused *oauth.Error
	if !errors.As(err, &refused) || refused.Code != "invalid_grant" {
		t.Fatalf("error %v, want invalid_grant", err)
	}
	s.noSecret(t, "error", err.Error())
	if err := os.WriteFile(s.o.TokenFile, []byte(`{"refresh_token":"`+fresh+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.token(t, src)
}

func TestEndIsForetold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, true)
		s.GrantEnds(30 * 24 * time.Hour)
		src := s.source(t)
		s.token(t, src)
		want := time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Minute)
		if got := src.Ends(); !got.Equal(want) {
			t.Errorf("ends %s, want %s", got, want)
		}
		if strings.Contains(s.logs.String(), "ends soon") {
			t.Error("foretold thirty days ahead")
		}
		if got := s.source(t).Ends(); !got.Equal(want) {
			t.Errorf("after a restart ends %s, want %s", got, want)
		}
		time.Sleep(20 * 24 * time.Hour)
		s.GrantEnds(10 * 24 * time.Hour)
		s.token(t, src)
		src.Renew(s.token(t, src))
		s.token(t, src)
		if n := strings.Count(s.logs.String(), "ends soon"); n != 1 {
			t.Errorf("foretold %d times in a day, want once:\n%s", n, s.logs)
		}
		if !strings.Contains(s.logs.String(), "days_left=9") && !strings.Contains(s.logs.String(), "days_left=10") {
			t.Errorf("the days are not told:\n%s", s.logs)
		}
	})
}

// What authorities answer must not carry secrets into errors.
func TestRefusals(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"repeats the request": func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(r.Form.Encode()))
		},
		"repeats it as JSON": func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			w.Write([]byte(`{"error":"` + r.Form.Get("client_secret") + `","error_description":"` + r.Form.Get("refresh_token") + `"}`))
		},
		"not JSON":     func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) },
		"wrong number": func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(`{"expires_in":"acc3ss"}`)) },
		"no token":     func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for range 3 << 10 {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<10)); err != nil {
					return
				}
			}
		},
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/token" {
				t.Error("the secret was carried to where the authority pointed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			for _, file := range []bool{false, true} {
				s := newSetup(t, file)
				s.o.Authority.TokenURL = server.URL + "/token"
				transport := &http.Transport{}
				defer transport.CloseIdleConnections()
				s.o.Transport = transport
				token, err := s.source(t).Token(t.Context())
				if err == nil {
					t.Fatalf("token %q", token)
				}
				s.noSecret(t, "error", err.Error())
				if len(err.Error()) > 500 {
					t.Errorf("error of %d bytes", len(err.Error()))
				}
			}
		})
	}
}

func TestSlowAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, false)
		release := s.Hold()
		src := s.source(t)
		start := time.Now()
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("a token came")
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("gave up after %s, want 30 s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := src.Token(ctx); err == nil {
			t.Fatal("a token came")
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("gave up after %s, want when the context ends", took)
		}
		release()
		s.token(t, src)
	})
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		want    string // code of the error
		took    time.Duration
	}{
		{name: "granted", answers: []string{"authorization_pending", "slow_down", "authorization_pending", ""}, took: 14 * time.Second},
		{name: "denied", answers: []string{"authorization_pending", "access_denied"}, want: "access_denied", took: 2 * time.Second},
		{name: "expired there", answers: []string{"expired_token"}, want: "expired_token", took: time.Second},
		{name: "expired here", answers: []string{"authorization_pending"}, want: "expired_token", took: 15 * time.Minute},
		{name: "ill for a while", answers: []string{"500", "500", ""}, took: 31 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, true)
				before, err := os.ReadFile(s.o.TokenFile)
				if err != nil {
					t.Fatal(err)
				}
				s.Device(tt.answers...)
				var shown oauth.Prompt
				start := time.Now()
				err = oauth.Login(t.Context(), s.o, func(p oauth.Prompt) { shown = p })
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				if shown.Code != oauthtest.UserCode || shown.URL != "https://login.example.com/device" {
					t.Errorf("shown %+v", shown)
				}
				if tt.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					s.token(t, s.source(t))
					return
				}
				s.wantRefused(t, err, tt.want, before)
			})
		})
	}
}

func TestLoginIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, true)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("interrupted"))
		defer cancel()
		if err := oauth.Login(ctx, s.o, func(oauth.Prompt) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}

// An authority's numbers must not make the library panic or wait for years.
func TestLoginWithHostileAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"negative interval": `{"device_code":"d","user_code":"u","verification_uri":"https://x.example.com","interval":-1,"expires_in":3}`,
		"for ever":          `{"device_code":"d","user_code":"u","verification_uri":"https://x.example.com","interval":9000000000,"expires_in":9000000000}`,
		"no code":           `{"verification_uri":"https://x.example.com"}`,
		"in clear":          `{"device_code":"d","user_code":"u","verification_uri":"http://x.example.com"}`,
		"script":            `{"device_code":"d","user_code":"u","verification_uri":"javascript:alert(1)"}`,
		"null":              `null`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, true)
				s.o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path != "/device" {
						return s.Authority.RoundTrip(r)
					}
					w := httptest.NewRecorder()
					w.Header().Set("Content-Type", "application/json")
					w.WriteString(answer)
					return w.Result(), nil
				})
				start := time.Now()
				if err := oauth.Login(t.Context(), s.o, func(oauth.Prompt) {}); err == nil {
					t.Error("logged in")
				}
				if took := time.Since(start); took > time.Hour {
					t.Errorf("waited %s", took)
				}
			})
		})
	}
}

func TestCheckURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://login.example.com/token": true, "http://127.0.0.1:80/token": true, "http://localhost/x": true, "http://[::1]:1/x": true,
		"http://login.example.com/token": false, "ftp://127.0.0.1/": false, "": false, "https://": false, "https://u:p@example.com/": false, "http://127.0.0.1.example.com/": false,
	} {
		if err := oauth.CheckURL(url); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

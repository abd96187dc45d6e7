package oauth_test

import (
	"net/http"
	"net/url"
	"os"
	"testing"

	"radicado/ingest/imap/oauth"
	"radicado/ingest/imap/oauthtest"
)

func TestLoginBrowser(t *testing.T) {
	for _, tt := range []struct {
		name, answer, want string
	}{
		{name: "granted", answer: "code=" + oauthtest.AuthorizationCode},
		{name: "denied", answer: "error=access_denied", want: "access_denied"},
		{name: "wrong code", answer: "code=otro", want: "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t, true)
			s.o.Authority.AuthURL = "https://login.example.com/auth"
			spent, err := os.ReadFile(s.o.TokenFile)
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			visited := make(chan struct{})
			err = oauth.LoginBrowser(t.Context(), s.o, 0, func(p oauth.Prompt) {
				go func() {
					defer close(visited)
					page, err := url.Parse(p.URL)
					if err != nil {
						t.Error(err)
						return
					}
					q := page.Query()
					if q.Get("code_challenge_method") != "S256" || q.Get("access_type") != "offline" {
						t.Errorf("URL %s", p.URL)
					}
					// A page that does not know the state changes nothing.
					for i, state := range []string{"forged", q.Get("state")} {
						answer, err := client.Get(q.Get("redirect_uri") + "?" + tt.answer + "&state=" + url.QueryEscape(state))
						if err != nil {
							t.Error(err)
							return
						}
						answer.Body.Close()
						if want := []int{404, 200}[i]; answer.StatusCode != want {
							t.Errorf("status %d, want %d", answer.StatusCode, want)
						}
					}
				}()
			})
			<-visited
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				s.token(t, s.source(t))
				return
			}
			s.wantRefused(t, err, tt.want, spent)
		})
	}
}

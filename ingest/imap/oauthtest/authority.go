// Package oauthtest is an OAuth2 authority in memory, for tests: it issues
// tokens by client credentials, refresh token and device code, rotates refresh
// tokens, and refuses or delays as it is told.
package oauthtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// The one client that an Authority knows.
const (
	ClientID     = "radicado-client"
	ClientSecret = "cl13nt-s3cret-de-prueba"
)

// UserCode is what a person types to log in.
const UserCode = "WDJB-MJHT"

// AuthorizationCode is what a browser brings back from a login.
const AuthorizationCode = "c0de-del-navegador"

const deviceCode = "d3vice-code-secreto"

// Authority is one authority. Its methods may be called from any goroutine.
type Authority struct {
	mu        sync.Mutex
	life      time.Duration // of access tokens
	grantLife time.Duration // told of refresh tokens; 0 tells nothing
	rotate    bool
	n         int
	refresh   string               // the refresh token that is good now
	access    map[string]time.Time // until when tokens are good
	refusal   [2]string            // code and description
	hold      chan struct{}        // while not nil, answers wait for it
	device    []string             // answers to come while waiting for a login; "" grants
	requests  map[string]int       // by grant type
	secrets   []string             // everything that must appear in no log
}

// New makes an authority whose access tokens live so long, in whole seconds.
func New(life time.Duration) *Authority {
	return &Authority{life: life, access: make(map[string]time.Time), requests: make(map[string]int), secrets: []string{ClientSecret, deviceCode}}
}

// Start serves a on loopback: /token and /device below the server's URL.
func (a *Authority) Start() *httptest.Server { return httptest.NewServer(a) }

// Grant returns a refresh token that is good now, in place of any other.
func (a *Authority) Grant() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newRefresh()
}

// Refresh returns the refresh token that is good now.
func (a *Authority) Refresh() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refresh
}

// Rotate makes each use of a refresh token end it and give another.
func (a *Authority) Rotate() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rotate = true
}

// GrantEnds makes answers tell that the refresh token lives so long.
func (a *Authority) GrantEnds(in time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grantLife = in
}

// Revoke ends all access tokens before their time.
func (a *Authority) Revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.access)
}

// Refuse makes the authority answer with this error; code "" ends that.
func (a *Authority) Refuse(code, description string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal = [2]string{code, description}
}

// Hold delays all answers until the returned function is called.
func (a *Authority) Hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hold := make(chan struct{})
	a.hold = hold
	return func() {
		a.mu.Lock()
		a.hold = nil
		a.mu.Unlock()
		close(hold)
	}
}

// Device sets what is answered, one after the other, to who waits for a login:
// error codes of RFC 8628 section 3.5, "500" for a fault, "" for the grant. The
// last one stays.
func (a *Authority) Device(answers ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.device = answers
}

// Good reports whether an IMAP server should take this access token.
func (a *Authority) Good(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.access[token])
}

// Requests returns how many tokens were asked for by a grant type.
func (a *Authority) Requests(grantType string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[grantType]
}

// Secrets returns everything secret that was said so far.
func (a *Authority) Secrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.secrets...)
}

func (a *Authority) newRefresh() string {
	a.n++
	a.refresh = fmt.Sprintf("refr3sh-token-%d-secreto", a.n)
	a.secrets = append(a.secrets, a.refresh)
	return a.refresh
}

// ServeHTTP answers one request.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	hold := a.hold
	a.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		http.Error(w, "form", http.StatusBadRequest)
		return
	}
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.URL.Path == "/device" {
		answer(w, http.StatusOK, map[string]any{"device_code": deviceCode, "user_code": UserCode, "verification_uri": "https://login.example.com/device", "expires_in": 900, "interval": 1})
		return
	}
	grantType := r.Form.Get("grant_type")
	a.requests[grantType]++
	refuse := func(code, description string) {
		answer(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": description, "request": r.Form.Encode()})
	}
	switch {
	case a.refusal[0] != "":
		refuse(a.refusal[0], a.refusal[1])
		return
	case r.Form.Get("client_id") != ClientID || r.Form.Get("client_secret") != ClientSecret:
		refuse("invalid_client", "not the secret: "+r.Form.Get("client_secret"))
		return
	}
	refresh := ""
	switch grantType {
	case "client_credentials":
	case "refresh_token":
		if got := r.Form.Get("refresh_token"); got == "" || got != a.refresh {
			refuse("invalid_grant", "no such grant: "+got)
			return
		}
		if a.rotate {
			refresh = a.newRefresh()
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		next := "authorization_pending"
		if len(a.device) > 0 {
			next = a.device[0]
		}
		if len(a.device) > 1 {
			a.device = a.device[1:]
		}
		if next == "500" {
			http.Error(w, "ill: "+r.Form.Encode(), http.StatusInternalServerError)
			return
		}
		if next != "" || r.Form.Get("device_code") != deviceCode {
			refuse(next, "device "+r.Form.Get("device_code"))
			return
		}
		refresh = a.newRefresh()
	case "authorization_code":
		if r.Form.Get("code") != AuthorizationCode || r.Form.Get("code_verifier") == "" {
			refuse("invalid_grant", "code "+r.Form.Get("code"))
			return
		}
		refresh = a.newRefresh()
	default:
		refuse("unsupported_grant_type", grantType)
		return
	}
	a.n++
	token := fmt.Sprintf("acc3ss-token-%d-secreto", a.n)
	a.access[token] = time.Now().Add(a.life)
	a.secrets = append(a.secrets, token)
	body := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(a.life.Seconds())}
	if refresh != "" {
		body["refresh_token"] = refresh
	}
	if a.grantLife > 0 && grantType != "client_credentials" {
		body["refresh_token_expires_in"] = int(a.grantLife.Seconds())
	}
	answer(w, http.StatusOK, body)
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that went away is its own affair
}

// RoundTrip answers a request without a network, for tests under a false clock.
func (a *Authority) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

package imaptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-sasl"
)

// bearerLogin is how logins by OAuth2 are checked.
type bearerLogin struct {
	good       func(user, token string) bool
	mechanisms []string
}

// RequireTokens makes later logins be by OAuth2 alone, through the given
// mechanisms: XOAUTH2 and OAUTHBEARER, which are offered in this order. Good
// decides about a token; it may be called from any goroutine.
func (s *Server) RequireTokens(good func(user, token string) bool, mechanisms ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bearer = &bearerLogin{good: good, mechanisms: mechanisms}
}

func (s *Server) bearerLogin() *bearerLogin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bearer
}

var _ imapserver.SessionSASL = (*session)(nil)

// AuthenticateMechanisms lists what the server offers now.
func (s *session) AuthenticateMechanisms() []string {
	if b := s.server.bearerLogin(); b != nil {
		return b.mechanisms
	}
	return []string{sasl.Plain}
}

// Authenticate begins an exchange.
func (s *session) Authenticate(mechanism string) (sasl.Server, error) {
	b := s.server.bearerLogin()
	switch {
	case b == nil && mechanism == sasl.Plain:
		return sasl.NewPlainServer(func(_, username, password string) error { return s.Login(username, password) }), nil
	case b != nil && mechanism == sasl.OAuthBearer:
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if err := s.loginByToken(b, o.Username, o.Token); err != nil {
				return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer", Scope: o.Token}
			}
			return nil
		}), nil
	case b != nil && mechanism == "XOAUTH2":
		return &xoauth2{login: func(user, token string) error { return s.loginByToken(b, user, token) }}, nil
	}
	return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "mechanism not offered"}
}

func (s *session) loginByToken(b *bearerLogin, user, token string) error {
	s.server.logins.Add(1)
	s.server.mu.Lock()
	first, known := s.server.first[user]
	s.server.mu.Unlock()
	if !known || !b.good(user, token) {
		return imapserver.ErrAuthFailed
	}
	return s.SessionIMAP4rev2.Login(user, first)
}

// xoauth2 is the server's side of XOAUTH2 as Google and Microsoft describe it.
type xoauth2 struct {
	login  func(user, token string) error
	failed bool
}

// Next takes the one message, and after a refusal the empty one that ends it.
func (x *xoauth2) Next(response []byte) ([]byte, bool, error) {
	if x.failed {
		if len(response) != 0 {
			return nil, false, fmt.Errorf("an answer of %d bytes to the error: %w", len(response), imapserver.ErrAuthFailed)
		}
		return nil, false, imapserver.ErrAuthFailed
	}
	if response == nil {
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{1})
	if len(parts) == 4 && len(parts[2]) == 0 && len(parts[3]) == 0 {
		user, okUser := strings.CutPrefix(string(parts[0]), "user=")
		token, okToken := strings.CutPrefix(string(parts[1]), "auth=Bearer ")
		if okUser && okToken && x.login(user, token) == nil {
			return nil, true, nil
		}
	}
	x.failed = true
	// A server that repeats the request is what clients must be ready for.
	challenge, err := json.Marshal(map[string]string{"status": "400", "schemes": "Bearer", "scope": string(response)})
	return challenge, false, err
}

package imap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
)

// TokenSource gives the access tokens of an OAuth2 login. Its methods may be
// called from any goroutine, and their errors hold no secret.
type TokenSource interface {
	// Token returns an access token that is good for a login now.
	Token(ctx context.Context) (string, error)
	// Renew says that the server refused this token, so that it is not given
	// again whatever its age.
	Renew(refused string)
	// Ends tells when the grant behind the tokens ends, after which a person
	// must log in anew; zero where that is not known.
	Ends() time.Time
}

// xoauth2 is the mechanism of Google and Microsoft from before OAUTHBEARER.
const xoauth2 = "XOAUTH2"

// credentials proves to the server who we are, in the best way that it offers.
func (c *session) credentials(ctx context.Context) error {
	if c.o.Tokens != nil {
		return c.token(ctx)
	}
	password, err := c.o.Password(ctx)
	if err != nil {
		return fmt.Errorf("get the password: %w", err)
	}
	err = c.passwordLogin(ctx, password)
	return hide(err, password)
}

// refusedToken is a token that the server does not take.
type refusedToken struct {
	token string
	err   error
}

func (r *refusedToken) Error() string { return r.err.Error() }
func (r *refusedToken) Unwrap() error { return r.err }

// token logs in with an access token.
func (c *session) token(ctx context.Context) error {
	mechanism := ""
	switch {
	case c.caps.Has(goimap.AuthCap(sasl.OAuthBearer)):
		mechanism = sasl.OAuthBearer
	case c.caps.Has(goimap.AuthCap(xoauth2)):
		mechanism = xoauth2
	default:
		return fmt.Errorf("the server offers no login by OAuth2 here (security %s): neither %s nor %s", c.o.Security, sasl.OAuthBearer, xoauth2)
	}
	token, err := c.o.Tokens.Token(ctx)
	if err != nil {
		return fmt.Errorf("get an access token: %w", err)
	}
	client := &bearer{username: c.o.Username, token: token, mechanism: mechanism, w: c.guard}
	err = c.do(ctx, responseBudget, "authenticate by "+mechanism, func() error { return c.client.Authenticate(client) })
	if client.refused || ofCredentials(err) {
		return &refusedToken{token: token, err: hide(err, token)}
	}
	return hide(err, token)
}

// ofCredentials tells an answer about our credentials from one about the server's
// state, at which a new token would not help.
func ofCredentials(err error) bool {
	var answer *goimap.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code {
	case goimap.ResponseCodeContactAdmin, goimap.ResponseCodePrivacyRequired:
		return false
	}
	return !slices.Contains(busyCodes, answer.Code) && answer.Type == goimap.StatusResponseTypeNo
}

// bearer is a SASL client for OAUTHBEARER (RFC 7628) and XOAUTH2, which differ
// in their first message and in what ends a failed exchange.
type bearer struct {
	username, token, mechanism string
	w                          io.Writer
	refused                    bool
}

var _ sasl.Client = (*bearer)(nil)

// Start gives the whole message; the server has nothing to ask.
func (b *bearer) Start() (string, []byte, error) {
	if b.mechanism == sasl.OAuthBearer {
		// The name may hold no comma or equals sign (RFC 5801 section 4).
		name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(b.username)
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: name, Token: b.token}).Start()
	}
	return xoauth2, []byte("user=" + b.username + "\x01auth=Bearer " + b.token + "\x01\x01"), nil
}

// Next reads the server's error, which is the only challenge that there is,
// and ends the exchange as the mechanism wants it. That is written past the
// library, which answers with "=" where XOAUTH2 wants an empty line.
func (b *bearer) Next(challenge []byte) ([]byte, error) {
	b.refused = true
	end := "\r\n"
	if b.mechanism == sasl.OAuthBearer {
		end = "AQ==\r\n" // one 0x01, RFC 7628 section 3.2.3
	}
	if _, err := io.WriteString(b.w, end); err != nil {
		return nil, fmt.Errorf("end the exchange: %w", err)
	}
	return nil, fmt.Errorf("the server refuses the token (%s)", bearerStatus(challenge))
}

// bearerStatus takes the status from a server's error and nothing else of it.
func bearerStatus(challenge []byte) string {
	var answer struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(challenge, &answer); err != nil || answer.Status == "" || len(answer.Status) > 40 {
		return "no status given"
	}
	return fmt.Sprintf("status %q", answer.Status)
}

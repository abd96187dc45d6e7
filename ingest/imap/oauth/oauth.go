// Package oauth gives the access tokens of IMAP logins by OAuth2: for an
// application by itself (client credentials, RFC 6749 section 4.4; Microsoft
// 365) and in the name of a person who logged in once (refresh token, section
// 6; Gmail, Microsoft 365), by [Login] or [LoginBrowser].
//
// Authorities are not trusted with anything but tokens: their answers are
// bounded in size and time, redirects are not followed, since a POST carries
// the secret along, and of an error only code and description are kept.
package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/endpoints"
)

// Authority is where tokens are had.
type Authority struct {
	TokenURL  string
	DeviceURL string // for Login; "" where there is none
	AuthURL   string // for LoginBrowser; "" where there is none
}

// Microsoft365 is the authority of a tenant, given by its name or id.
func Microsoft365(tenant string) Authority {
	e := endpoints.AzureAD(tenant)
	return Authority{TokenURL: e.TokenURL, DeviceURL: e.DeviceAuthURL}
}

// Google is Google's authority. Its device flow does not give mailboxes.
func Google() Authority {
	return Authority{TokenURL: endpoints.Google.TokenURL, AuthURL: endpoints.Google.AuthURL}
}

// Options describe one client of an authority. Durations that are 0 get the
// default named beside them.
type Options struct {
	Authority Authority
	ClientID  string
	// ClientSecret is asked anew for each token; nil for a client without one.
	ClientSecret func() (string, error)
	Scopes       []string
	// TokenFile keeps the refresh token, mode 0600; "" asks for tokens by client
	// credentials. Only one Source may use a file.
	TokenFile string

	Timeout time.Duration // 30 s: one request, from connecting to the last byte
	// Leeway is how long before its end a token counts as ended, 5 min, but at
	// most half of its life.
	Leeway time.Duration
	// Foretell is how long before the grant's end it is warned of: 14 days.
	Foretell time.Duration

	Transport http.RoundTripper // nil connects by TLS as usual
	Logger    *slog.Logger      // nil discards
	Now       func() time.Time  // nil is time.Now
}

// Validate reports everything that is wrong with o, joined.
func (o Options) Validate() error {
	var errs []error
	if err := CheckURL(o.Authority.TokenURL); err != nil {
		errs = append(errs, fmt.Errorf("token URL: %w", err))
	}
	if o.Authority.DeviceURL != "" {
		if err := CheckURL(o.Authority.DeviceURL); err != nil {
			errs = append(errs, fmt.Errorf("device URL: %w", err))
		}
	}
	if o.ClientID == "" {
		errs = append(errs, errors.New("client id is empty"))
	}
	if o.ClientSecret == nil && o.TokenFile == "" {
		errs = append(errs, errors.New("neither a client secret nor a token file is given"))
	}
	return errors.Join(errs...)
}

// CheckURL wants https, or http to this machine itself: the requests carry
// secrets.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return errors.New("want a URL such as https://login.example.com/token")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback()) {
		return nil
	}
	return errors.New("want https; http is for loopback addresses alone")
}

func (o Options) withDefaults() Options {
	duration := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	duration(&o.Timeout, 30*time.Second)
	duration(&o.Leeway, 5*time.Minute)
	duration(&o.Foretell, 14*24*time.Hour)
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// client puts our HTTP client where the library looks for it.
func (o Options) client(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport:     bound{ctx, o.Timeout, o.Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
}

// maxAnswer bounds an answer in bytes; the largest tokens are of some kB.
const maxAnswer = 256 << 10

// bound reads each answer to its end, within a time and a size. The library
// leaves some requests without context, and some bodies open.
type bound struct {
	ctx   context.Context
	limit time.Duration
	next  http.RoundTripper
}

// RoundTrip sends one request and reads its answer, unless the context ends.
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), b.limit)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	answer, err := b.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	if string(bytes.TrimSpace(data)) == "null" {
		data = nil // at which the library would dereference nil
	}
	answer.Body = io.NopCloser(bytes.NewReader(data))
	return answer, nil
}

// config is the library's view of o. The secret goes into the body: to try both
// ways, as the library does otherwise, doubles every refusal.
func (o Options) config() (*oauth2.Config, error) {
	c := &oauth2.Config{
		ClientID: o.ClientID,
		Endpoint: oauth2.Endpoint{
			TokenURL: o.Authority.TokenURL, DeviceAuthURL: o.Authority.DeviceURL, AuthStyle: oauth2.AuthStyleInParams,
		},
		Scopes: o.Scopes,
	}
	if o.ClientSecret != nil {
		secret, err := o.ClientSecret()
		if err != nil {
			return nil, fmt.Errorf("get the client secret: %w", err)
		}
		c.ClientSecret = secret
	}
	return c, nil
}

// Error is what an authority answered instead of a token.
type Error struct {
	Code        string // RFC 6749 section 5.2, such as invalid_grant; "" if it gave none
	Description string // for people, in the authority's words; may be ""
	Status      int    // of HTTP
}

// Error tells code and description, quoted and bounded.
func (e *Error) Error() string {
	s := fmt.Sprintf("the authority refuses with status %d", e.Status)
	if e.Code != "" {
		s = fmt.Sprintf("the authority refuses with %q", e.Code)
	}
	if e.Description != "" {
		s += fmt.Sprintf(": %q", e.Description)
	}
	return s
}

// strip takes out of the library's errors what may hold a secret: the body of
// an answer, and what the authority repeats of our request.
func strip(err error, secrets ...string) error {
	var refused *oauth2.RetrieveError
	var network *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		e := &Error{Code: clean(refused.ErrorCode, 60, secrets), Description: clean(refused.ErrorDescription, 300, secrets)}
		if refused.Response != nil {
			e.Status = refused.Response.StatusCode
		}
		return e
	case errors.As(err, &network):
		return fmt.Errorf("reach the authority: %w", network.Err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return errors.New("the authority's answer holds no token and no error that can be read")
}

// clean bounds what an authority says, and drops it if it repeats a secret.
func clean(s string, limit int, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" && strings.Contains(s, secret) {
			return "(not shown: it repeats a secret)"
		}
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

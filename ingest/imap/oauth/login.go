package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// Prompt is what a person needs to log in.
type Prompt struct {
	URL  string    // to open in any browser
	Code string    // to type there
	Ends time.Time // until when the code is good
}

// What an authority may ask of our patience (RFC 8628 section 3.2).
const (
	maxInterval = 60 // seconds between two questions
	maxCodeLife = 30 * time.Minute
)

// errNoRefreshToken is a login that cannot outlast its first access token.
var errNoRefreshToken = errors.New("the authority gave no refresh token; check the scopes (Microsoft wants offline_access)")

// Login gets a grant by the device flow (RFC 8628): show is told where to log
// in, then Login waits until a person has done so, the code ends, or ctx does.
// The grant is in o.TokenFile when it returns nil. A refusal is an *Error with
// code access_denied or expired_token.
func Login(ctx context.Context, o Options, show func(Prompt)) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("oauth2 options: %w", err)
	}
	if o.TokenFile == "" {
		return errors.New("oauth2 login: no token file is given")
	}
	if o.Authority.DeviceURL == "" {
		return errors.New("oauth2 login: the authority has no device URL")
	}
	o = o.withDefaults()
	c, err := o.config()
	if err != nil {
		return err
	}
	httpCtx := o.client(ctx)
	device, err := c.DeviceAuth(httpCtx)
	if err != nil {
		return fmt.Errorf("ask for a code: %w", strip(err, c.ClientSecret))
	}
	if device.DeviceCode == "" || device.UserCode == "" || CheckURL(device.VerificationURI) != nil {
		return errors.New("ask for a code: the authority's answer lacks the code or a URL by https")
	}
	// The library would panic at a negative interval.
	device.Interval = min(max(device.Interval, 0), maxInterval)
	if last := time.Now().Add(maxCodeLife); device.Expiry.IsZero() || device.Expiry.After(last) {
		device.Expiry = last
	}
	show(Prompt{URL: device.VerificationURI, Code: device.UserCode, Ends: device.Expiry})
	t, err := await(httpCtx, c, device)
	if err != nil {
		return fmt.Errorf("wait for the login: %w", err)
	}
	return keep(o, t)
}

// keep writes the grant of a login.
func keep(o Options, t *oauth2.Token) error {
	if t.RefreshToken == "" {
		return errNoRefreshToken
	}
	return writeGrant(o.TokenFile, grantOf(t, o.Now()))
}

// await asks until there is an answer. An authority that cannot be reached, or
// is ill, is asked again at longer intervals (RFC 8628 section 3.5).
func await(ctx context.Context, c *oauth2.Config, device *oauth2.DeviceAuthResponse) (*oauth2.Token, error) {
	for {
		t, err := c.DeviceAccessToken(ctx, device)
		var refused *oauth2.RetrieveError
		var network *url.Error
		switch {
		case err == nil:
			return t, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !time.Now().Before(device.Expiry):
			return nil, &Error{Code: "expired_token", Description: "nobody logged in before the code ended"}
		case errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode >= 500, errors.As(err, &network):
			device.Interval = min(max(device.Interval, 5)*2, maxInterval)
		default:
			return nil, strip(err, c.ClientSecret, device.DeviceCode)
		}
	}
}

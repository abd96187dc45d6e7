package oauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Source gives access tokens and renews them before they end. Its methods may
// be called from any goroutine.
type Source struct {
	o Options

	renewing sync.Mutex // one request at a time

	mu     sync.Mutex
	access string
	until  time.Time // when access is to be renewed
	ends   time.Time // of the grant, zero if unknown
	warned time.Time // when its end was last foretold

	unsaved *rotation // under renewing
}

// rotation is a refresh token that could not be written yet. The authority has
// forgotten the one before it.
type rotation struct {
	before string
	grant  grant
}

// New makes a source; it asks for no token yet, and the token file need not be
// there yet.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("oauth2 options: %w", err)
	}
	s := &Source{o: o.withDefaults()}
	if o.TokenFile != "" {
		if g, err := readGrant(o.TokenFile); err == nil {
			s.ends = g.Ends
		}
	}
	return s, nil
}

// Token returns an access token, a new one if the last is near its end. An
// answer of the authority that refuses is an *Error.
func (s *Source) Token(ctx context.Context) (string, error) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	s.mu.Lock()
	access, fresh := s.access, s.o.Now().Before(s.until)
	s.mu.Unlock()
	if access != "" && fresh {
		return access, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	var t *oauth2.Token
	var err error
	if s.o.TokenFile == "" {
		t, err = s.byCredentials(ctx)
	} else {
		t, err = s.byGrant(ctx)
	}
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access, s.until = t.AccessToken, s.renewAt(t)
	return t.AccessToken, nil
}

// renewAt is when a token counts as ended. One whose life the authority does
// not tell is good for one login.
func (s *Source) renewAt(t *oauth2.Token) time.Time {
	now := s.o.Now()
	if t.ExpiresIn <= 0 && t.Expiry.IsZero() {
		return now
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	if life <= 0 {
		life = time.Until(t.Expiry)
	}
	// Without the monotonic clock, which stands still while a machine sleeps.
	return now.Round(0).Add(life - min(s.o.Leeway, life/2))
}

// Renew forgets the access token if it is the one that was refused.
func (s *Source) Renew(refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == refused {
		s.access = ""
	}
}

// Ends tells when the grant ends and a person must log in anew; zero where the
// authority does not say, and for client credentials.
func (s *Source) Ends() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends
}

func (s *Source) byCredentials(ctx context.Context) (*oauth2.Token, error) {
	c, err := s.o.config()
	if err != nil {
		return nil, err
	}
	t, err := (&clientcredentials.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, TokenURL: c.Endpoint.TokenURL, Scopes: c.Scopes, AuthStyle: c.Endpoint.AuthStyle,
	}).Token(s.o.client(ctx))
	return t, strip(err, c.ClientSecret)
}

// byGrant asks for a token by the refresh token in the file, which is read anew
// so that a new login needs no restart. A rotated one is on disk before the
// access token is used.
func (s *Source) byGrant(ctx context.Context) (*oauth2.Token, error) {
	g, err := readGrant(s.o.TokenFile)
	if err != nil {
		return nil, err
	}
	if s.unsaved != nil {
		if s.unsaved.before == g.RefreshToken {
			g = s.unsaved.grant
			if err := writeGrant(s.o.TokenFile, g); err != nil {
				return nil, err
			}
		}
		s.unsaved = nil // written, or a login has put another in its place
	}
	c, err := s.o.config()
	if err != nil {
		return nil, err
	}
	t, err := c.TokenSource(s.o.client(ctx), &oauth2.Token{RefreshToken: g.RefreshToken}).Token()
	if err != nil {
		return nil, strip(err, c.ClientSecret, g.RefreshToken)
	}
	now := grantOf(t, s.o.Now())
	if now.Ends.IsZero() && now.RefreshToken == g.RefreshToken {
		now.Ends = g.Ends
	}
	if now != g {
		if err := s.save(g, now); err != nil {
			return nil, err
		}
	}
	s.foretell(now.Ends)
	return t, nil
}

// save writes a rotated grant unless a login has replaced the one before it.
func (s *Source) save(before, now grant) error {
	if on, err := readGrant(s.o.TokenFile); err == nil && on.RefreshToken != before.RefreshToken {
		return nil
	}
	if err := writeGrant(s.o.TokenFile, now); err != nil {
		s.unsaved = &rotation{before: before.RefreshToken, grant: now}
		return err
	}
	if now.RefreshToken != before.RefreshToken {
		s.o.Logger.Info("oauth2 refresh token rotated and saved", "file", s.o.TokenFile)
	}
	return nil
}

// foretell warns once a day of a grant that ends soon.
func (s *Source) foretell(ends time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = ends
	now := s.o.Now()
	if ends.IsZero() || ends.Sub(now) > s.o.Foretell || now.Sub(s.warned) < 24*time.Hour {
		return
	}
	s.warned = now
	s.o.Logger.Warn("oauth2 login ends soon; log in anew with `radicado oauth login`", "ends", ends.Format(time.RFC3339), "days_left", int(ends.Sub(now).Hours()/24))
}

// grantOf takes from an answer what must outlive the process.
func grantOf(t *oauth2.Token, now time.Time) grant {
	g := grant{RefreshToken: t.RefreshToken}
	// A number in JSON; Google sends it for grants that end.
	const most = 10 * 365 * 24 * 3600
	if seconds, ok := t.Extra("refresh_token_expires_in").(float64); ok && seconds > 0 && seconds <= most {
		g.Ends = now.Add(time.Duration(seconds) * time.Second).UTC().Truncate(time.Minute)
	}
	return g
}

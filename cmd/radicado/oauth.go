package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"radicado/ingest/imap/oauth"
)

type oauthCmd struct {
	Login oauthLoginCmd `cmd:"" help:"Log in to a mailbox by OAuth2 in any browser, and keep the refresh token in its token_file."`
}

type oauthLoginCmd struct {
	Config  string `required:"" help:"Configuration file." type:"path"`
	Mailbox string `required:"" help:"Name of the mailbox."`
	Port    int    `help:"Google: port of 127.0.0.1 to which the browser comes back; 0 takes a free one." default:"0"`
}

// Run prints a URL and a code, and waits until somebody has logged in there.
func (c *oauthLoginCmd) Run(ctx context.Context, a *App) error {
	config, _, err := loadConfig(c.Config)
	if err != nil {
		return usageError{err}
	}
	for _, m := range config.Mailbox {
		if m.Name != c.Mailbox {
			continue
		}
		if m.IMAP == nil || m.IMAP.OAuth2 == nil || m.IMAP.OAuth2.Flow != flowRefresh {
			return usageError{fmt.Errorf("mailbox %s: only an [mailbox.imap.oauth2] of flow %q needs a login", m.Name, flowRefresh)}
		}
		return a.oauthLogin(ctx, m, c.Port)
	}
	return usageError{fmt.Errorf("%s has no mailbox %q", c.Config, c.Mailbox)}
}

func (a *App) oauthLogin(ctx context.Context, m MailboxConfig, port int) error {
	o := a.oauthOptions(m.IMAP.OAuth2, slog.New(slog.DiscardHandler))
	login := func() error {
		return oauth.Login(ctx, o, func(p oauth.Prompt) {
			fmt.Fprintf(a.Stderr, "Open %s in any browser,\nlog in as %s and enter the code %s (good until %s).\nWaiting ...\n",
				p.URL, m.IMAP.Username, p.Code, p.Ends.Local().Format(time.TimeOnly))
		})
	}
	if o.Authority.AuthURL != "" {
		login = func() error {
			return oauth.LoginBrowser(ctx, o, port, func(p oauth.Prompt) {
				fmt.Fprintf(a.Stderr, "Open this in a browser on this machine and log in as %s (until %s):\n%s\nWaiting ...\n",
					m.IMAP.Username, p.Ends.Local().Format(time.TimeOnly), p.URL)
			})
		}
	}
	err := login()
	var refused *oauth.Error
	switch {
	case errors.As(err, &refused) && refused.Code == "expired_token":
		return fmt.Errorf("log in to mailbox %s: the code ended before anybody logged in; run the command again", m.Name)
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return fmt.Errorf("log in to mailbox %s: denied in the browser", m.Name)
	case err != nil:
		return fmt.Errorf("log in to mailbox %s: %w", m.Name, err)
	}
	_, err = fmt.Fprintf(a.Stdout, "mailbox %s: logged in; the refresh token is in %s\n", m.Name, m.IMAP.OAuth2.TokenFile)
	return err
}

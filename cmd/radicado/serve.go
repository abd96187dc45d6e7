package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/store"
	"radicado/web"
)

type serveCmd struct {
	Config string `required:"" help:"Configuration file." type:"path"`
	DB     string `name:"db" help:"Database file instead of the configuration's." type:"path"`
	Log    string `enum:"text,json" default:"text" help:"Form of the log on stderr: text or json."`
}

// Run takes mail until it is told to end. A second signal ends it at once.
func (c *serveCmd) Run(ctx context.Context, a *App) error {
	d, err := a.loadDesk(c.Config)
	if err != nil {
		return err
	}
	if c.DB != "" {
		d.config.Store.Path = c.DB
	}
	polled := 0
	for _, m := range d.config.Mailbox {
		if m.IMAP != nil {
			polled++
		}
	}
	if polled == 0 {
		return usageError{fmt.Errorf("%s: no mailbox has an [mailbox.imap] table; there is nothing to take mail from", c.Config)}
	}
	var handler slog.Handler = slog.NewTextHandler(a.Stderr, nil)
	if c.Log == "json" {
		handler = slog.NewJSONHandler(a.Stderr, nil)
	}
	return a.serve(ctx, d, slog.New(handler), nil)
}

// serve runs the daemon on a desk until ctx ends. Ready, if not nil, is called
// with the queue's URL ("" if the web is off) once everything is listening.
func (a *App) serve(ctx context.Context, d *desk, log *slog.Logger, ready func(url string)) (err error) {
	s, err := store.Open(d.config.Store.Path, store.Options{Now: a.Now, Logger: log})
	if err != nil {
		return fmt.Errorf("open %s: %w", d.config.Store.Path, err)
	}
	defer func() {
		err = errors.Join(err, s.Close())
		log.Info("stopped")
	}()
	pipeline, err := d.pipeline(s, a.Now, log)
	if err != nil {
		return err
	}
	var sources []*imap.Source
	var names []string
	for _, m := range d.config.Mailbox {
		names = append(names, m.Name)
		if m.IMAP == nil {
			continue
		}
		src, err := a.source(m, log)
		if err != nil {
			return usageError{fmt.Errorf("mailbox %s: %w", m.Name, err)}
		}
		sources = append(sources, src)
	}

	g, ctx := errgroup.WithContext(ctx)
	url := ""
	if d.config.Web.Listen != "" {
		l, err := net.Listen("tcp", d.config.Web.Listen)
		if err != nil {
			return fmt.Errorf("listen for the web queue: %w", err)
		}
		url = "http://" + l.Addr().String()
		token := rand.Text()
		version, _ := buildVersion()
		srv, err := web.NewServer(web.Options{
			Store:         s,
			Terms:         d.calendar.Deadline,
			Token:         token,
			Version:       version,
			Logger:        log,
			Now:           a.Now,
			CriticalPhone: d.config.Desk.CriticalPhone.Display,

			Mailboxes: names,
			Health:    func() []web.MailboxHealth { return health(d.config.Mailbox, sources) },
		})
		if err != nil {
			return errors.Join(err, l.Close())
		}
		if err := writeDaemonFile(s.Path(), daemonFile{URL: url, Token: token, PID: os.Getpid()}); err != nil {
			return errors.Join(err, l.Close())
		}
		defer os.Remove(daemonPath(s.Path()))
		g.Go(func() error { return srv.Serve(ctx, l) })
	}
	for _, src := range sources {
		// Each mailbox has its own connection and goroutine: a sick server
		// never slows the other.
		g.Go(func() error { return src.Run(ctx, pipeline) })
	}
	log.Info("serving", "database", s.Path(), "mailboxes", strings.Join(names, " "), "web", url)
	if ready != nil {
		ready(url)
	}
	return g.Wait()
}

// source makes the IMAP source of a mailbox.
func (a *App) source(m MailboxConfig, log *slog.Logger) (*imap.Source, error) {
	c := m.IMAP
	after, err := imap.ParseAfter(c.After)
	if err != nil {
		return nil, err
	}
	return imap.New(imap.Options{
		Mailbox:  m.Name,
		Server:   c.Server,
		Security: c.Security,
		CAFile:   c.CAFile,
		Username: c.Username,
		Password: a.password(c),
		Folders:  c.Folders,
		After:    after,
		Poll:     time.Duration(c.Poll),
		Logger:   log,
	})
}

// password reads a mailbox's password at each login, so that a new one needs no
// restart. Its errors name where it should be, never what was there.
func (a *App) password(c *IMAPConfig) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		if c.PasswordEnv != "" {
			if p := a.Getenv(c.PasswordEnv); p != "" {
				return p, nil
			}
			return "", fmt.Errorf("environment variable %s is empty", c.PasswordEnv)
		}
		data, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		p := strings.TrimRight(string(data), "\r\n")
		if p == "" {
			return "", fmt.Errorf("password file %s is empty", c.PasswordFile)
		}
		return p, nil
	}
}

func health(mailboxes []MailboxConfig, sources []*imap.Source) []web.MailboxHealth {
	var out []web.MailboxHealth
	i := 0
	for _, m := range mailboxes {
		if m.IMAP == nil {
			continue
		}
		st := sources[i].Status()
		i++
		h := web.MailboxHealth{Mailbox: m.Name, Connected: st.Connected && st.LastError == "", Since: st.LastSuccess, Error: st.LastError}
		if !h.Connected {
			h.Since = st.LastErrorAt
		}
		out = append(out, h)
	}
	return out
}

var _ ingest.Sink = (*ingest.Pipeline)(nil)

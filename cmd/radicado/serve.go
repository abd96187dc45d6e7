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
	"radicado/ingest/imap/oauth"
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
	manager, err := newSystemd(a.Getenv)
	if err != nil {
		return err
	}
	seen := newWatch(time.Duration(d.config.Alarm.StaleAfter))
	meter := newMeter(seen)
	s, err := store.Open(d.config.Store.Path, store.Options{Now: a.Now, Logger: log, OnCommit: meter.committed})
	if err != nil {
		return fmt.Errorf("open %s: %w", d.config.Store.Path, err)
	}
	defer func() {
		err = errors.Join(err, s.Close())
		log.Info("stopped")
	}()
	pipeline, err := d.observedPipeline(s, a.Now, log, func(f ingest.Filed) {
		if f.FromServer {
			seen.took(f.Mailbox)
		}
		meter.filed(f)
	})
	if err != nil {
		return err
	}
	meter.watchStore(s)
	gaps := &reconciler{recorded: storeLedger(s), log: log}
	meter.watchLedger(gaps)
	var sources []*imap.Source
	var names []string
	for _, m := range d.config.Mailbox {
		names = append(names, m.Name)
		if m.IMAP == nil {
			continue
		}
		src, err := a.source(m, d.config.Ingest.maxMail(), time.Duration(d.config.Alarm.StaleAfter), log)
		if err != nil {
			return usageError{fmt.Errorf("mailbox %s: %w", m.Name, err)}
		}
		sources = append(sources, src)
		gaps.add(m.Name, src)
		seen.mailboxes = append(seen.mailboxes, watched{m.Name, src.Status})
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
			Health:    seen.health,
			Metrics:   meter.handler(log),
			Requeue:   pipeline.Requeue,
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
	g.Go(func() error {
		al := alarm{watch: seen, command: d.config.Alarm.Command, env: alarmEnv(a.Getenv), log: log}
		return al.run(ctx)
	})
	g.Go(func() error {
		return manager.run(ctx, log, seen.summary, func(ctx context.Context) error { return alive(ctx, s, seen) })
	})
	g.Go(func() error { return gaps.run(ctx, time.Duration(d.config.Ingest.Reconcile)) })
	log.Info("serving", "database", s.Path(), "mailboxes", strings.Join(names, " "), "web", url)
	if ready != nil {
		ready(url)
	}
	return g.Wait()
}

// source makes the IMAP source of a mailbox. It looks at least twice within
// staleAfter, also where IDLE alone would do.
func (a *App) source(m MailboxConfig, maxMail int64, staleAfter time.Duration, log *slog.Logger) (*imap.Source, error) {
	c := m.IMAP
	after, err := imap.ParseAfter(c.After)
	if err != nil {
		return nil, err
	}
	version, _ := buildVersion()
	o := imap.Options{
		Mailbox:  m.Name,
		Version:  version,
		Server:   c.Server,
		Security: c.Security,
		CAFile:   c.CAFile,
		Username: c.Username,
		Folders:  c.Folders,
		After:    after,
		Poll:     time.Duration(c.Poll),
		Stall:    time.Duration(c.Timeout),
		Dial:     min(15*time.Second, time.Duration(c.Timeout)),
		MaxMail:  maxMail,
		Logger:   log,
	}
	if staleAfter > 0 {
		o.IdleRefresh = min(10*time.Minute, staleAfter/2)
	}
	if c.OAuth2 == nil {
		o.Password = a.password(c)
		return imap.New(o)
	}
	if o.Tokens, err = oauth.New(a.oauthOptions(c.OAuth2, log.With("mailbox", m.Name))); err != nil {
		return nil, err
	}
	return imap.New(o)
}

// password reads a mailbox's password at each login, so that a new one needs no
// restart. Its errors name where it should be, never what was there.
func (a *App) password(c *IMAPConfig) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return a.secret("password", c.PasswordFile, c.PasswordEnv) }
}

var _ ingest.Sink = (*ingest.Pipeline)(nil)

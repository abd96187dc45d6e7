package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"radicado/ingest/imap/imaptest"
	samples "radicado/testdata"
	"radicado/ticket"
)

type demoCmd struct {
	DB     string        `name:"db" help:"Keep the database in this file; without it nothing is left behind." type:"path"`
	Listen string        `default:"127.0.0.1:0" help:"Address of the web queue; port 0 takes a free one."`
	Over   time.Duration `default:"1m" help:"Deliver the sample mail over this long."`
}

// demoPassword is the variable by which the demo hands its mailboxes' password
// to the daemon; it exists only inside the process.
const demoPassword = "RADICADO_DEMO_PASSWORD"

// Run shows the whole chain: an IMAP server in this process, sample mail
// delivered to it, the daemon that takes it, and the queue to look at.
func (c *demoCmd) Run(ctx context.Context, a *App) (err error) {
	mails, err := samples.Mails()
	if err != nil {
		return fmt.Errorf("read sample mail: %w", err)
	}
	dir, err := os.MkdirTemp("", "radicado-demo-")
	if err != nil {
		return fmt.Errorf("make a place for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	config := defaultConfig()
	config.Mailbox = defaultMailboxes()
	config.Web.Listen = c.Listen
	config.Store.Path = filepath.Join(dir, "demo.db")
	if c.DB != "" {
		config.Store.Path = c.DB
	}
	password := rand.Text()
	users := map[string]string{}
	for _, m := range config.Mailbox {
		users[m.Name] = password
	}
	server, err := imaptest.Start(users)
	if err != nil {
		return fmt.Errorf("start the embedded IMAP server: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	for i := range config.Mailbox {
		m := &config.Mailbox[i]
		m.IMAP = &IMAPConfig{
			Server: server.Addr(), Security: "none", Username: m.Name, PasswordEnv: demoPassword,
			Folders: []string{"INBOX"}, After: "seen", Poll: Duration(5 * time.Second),
		}
	}
	d, err := newDesk(config)
	if err != nil {
		return err
	}
	out := &lineWriter{w: a.Stdout}
	daemon := *a
	daemon.Getenv = func(k string) string {
		if k == demoPassword {
			return password
		}
		return a.Getenv(k)
	}

	g, ctx := errgroup.WithContext(ctx)
	serving := make(chan struct{})
	g.Go(func() error {
		return daemon.serve(ctx, d, slog.New(&demoLog{out: out}), func(url string) {
			out.printf("radicado demo: an IMAP server on %s with the mailboxes soporte and pqrsa,\n"+
				"and the daemon that files their mail. %d sample mails are delivered over %s.\n\n"+
				"    the queue:  %s\n\nCtrl-C ends it.%s\n\n", server.Addr(), len(mails), c.Over, url, kept(c.DB))
			close(serving)
		})
	})
	g.Go(func() error {
		select {
		case <-serving:
		case <-ctx.Done():
			return nil
		}
		return deliver(ctx, server, mails, c.Over, a.Now, out)
	})
	return g.Wait()
}

func kept(db string) string {
	if db == "" {
		return " Nothing is left behind."
	}
	return " The database stays in " + db + "."
}

// deliver hands the sample mails to the server, evenly over a time.
func deliver(ctx context.Context, server *imaptest.Server, mails []samples.Mail, over time.Duration, now func() time.Time, out *lineWriter) error {
	tick := time.NewTicker(max(over/time.Duration(max(len(mails), 1)), time.Millisecond))
	defer tick.Stop()
	for _, m := range mails {
		if err := server.Deliver(m.Mailbox, "INBOX", m.Raw, now()); err != nil {
			return fmt.Errorf("deliver %s: %w", m.Path, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	out.printf("\nAll %d sample mails are delivered. The queue stays until Ctrl-C.\n", len(mails))
	return nil
}

// demoLog shows the daemon's log as lines for a person: each filed mail and
// whatever went wrong.
type demoLog struct {
	out   *lineWriter
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *demoLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// WithAttrs implements slog.Handler.
func (h *demoLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &demoLog{h.out, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler; the daemon's log has no groups.
func (h *demoLog) WithGroup(string) slog.Handler { return h }

// Handle implements slog.Handler.
func (h *demoLog) Handle(_ context.Context, r slog.Record) error {
	v := map[string]string{}
	var all []string
	add := func(a slog.Attr) bool {
		v[a.Key] = a.Value.String()
		all = append(all, a.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	at := r.Time.In(ticket.Bogota).Format("15:04:05")
	switch {
	case r.Message == "mail filed":
		ticketText := "no ticket"
		if v["ticket"] != "" {
			ticketText = fmt.Sprintf("%s  %-13s priority %s", v["ticket"], v["type"], v["priority"])
		}
		h.out.printf("%s  %-8s %-11s %s\n", at, v["mailbox"], v["disposition"], ticketText)
	case r.Level >= slog.LevelWarn:
		h.out.printf("%s  %s %s\n", at, r.Message, strings.Join(all, " "))
	}
	return nil
}

// lineWriter lets several goroutines print whole lines.
type lineWriter struct {
	mu sync.Mutex
	w  interface{ Write([]byte) (int, error) }
}

func (l *lineWriter) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, format, args...)
}

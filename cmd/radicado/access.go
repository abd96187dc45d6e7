package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/user"

	"radicado/store"
	"radicado/ticket"
	"radicado/web"
)

// access is how queue, show, set, stats and export reach the tickets: in the
// file itself, or through the API of the daemon that holds it.
type access interface {
	Tickets(ctx context.Context, query url.Values) ([]ticket.View, string, error)
	Detail(ctx context.Context, n ticket.Number) (ticket.Detail, error)
	Change(ctx context.Context, n ticket.Number, c ticket.Change, actor string) (ticket.Detail, error)
	Requeue(ctx context.Context, n ticket.Number, actor string) (ticket.Detail, error)
	Unfiled(ctx context.Context) (web.UnfiledList, error)
	Stats(ctx context.Context) (store.Stats, error)
	Original(ctx context.Context, d ticket.Digest) (io.ReadCloser, error)
	Close() error
}

type accessFlags struct {
	DB     string `name:"db" help:"Database file; default is the configuration's." type:"path"`
	Config string `help:"Configuration file." type:"path"`
	Server string `help:"Ask the daemon at this URL instead of opening the file; the token for changes comes from RADICADO_TOKEN."`
	JSON   bool   `name:"json" help:"Print JSON, one object a line."`
}

// tokenVariable holds the bearer token for --server.
const tokenVariable = "RADICADO_TOKEN"

// reach opens the tickets for reading, or for writing too. Where a daemon holds
// the file, its API is used.
func (a *App) reach(ctx context.Context, f accessFlags, write bool) (access, error) {
	if f.Server != "" {
		u, err := url.Parse(f.Server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usageError{errors.New("--server: want a URL such as http://127.0.0.1:8025")}
		}
		return remote{Client: web.NewClient(f.Server, a.Getenv(tokenVariable), nil), url: f.Server}, nil
	}
	d, err := a.loadDesk(f.Config)
	if err != nil {
		return nil, err
	}
	path := d.config.Store.Path
	if f.DB != "" {
		path = f.DB
	}
	if write {
		// Opening for writing would make an empty database of a misspelt path.
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("open database: %w", err)
		}
	}
	s, err := store.Open(path, store.Options{ReadOnly: !write, Now: a.Now})
	if errors.Is(err, store.ErrInUse) {
		at, found := readDaemonFile(path)
		if !found {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		return remote{Client: web.NewClient(at.URL, at.Token, nil), url: at.URL, pid: at.PID}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return &localAccess{s, d, a}, nil
}

// actOn opens the tickets for writing and does something to one of them on
// behalf of who; "" is the person at the keyboard.
func (a *App) actOn(ctx context.Context, f accessFlags, n ticket.Number, who string, do func(d access, who string) (ticket.Detail, error)) (ticket.Detail, error) {
	if who == "" {
		who = login()
	}
	d, err := a.reach(ctx, f, true)
	if err != nil {
		return ticket.Detail{}, err
	}
	t, err := do(d, who)
	err = errors.Join(err, d.Close())
	if errors.Is(err, store.ErrNotFound) {
		return t, fmt.Errorf("ticket %s: %w", n, err)
	}
	return t, err
}

// localAccess works on the file.
type localAccess struct {
	store *store.Store
	desk  *desk
	app   *App
}

func (l *localAccess) Tickets(ctx context.Context, q url.Values) ([]ticket.View, string, error) {
	f, err := web.ParseFilter(q, l.app.Now())
	if err != nil {
		return nil, "", usageError{err}
	}
	p, err := l.store.Tickets(ctx, f)
	if err != nil {
		return nil, "", err
	}
	views := make([]ticket.View, len(p.Tickets))
	for i, t := range p.Tickets {
		views[i] = t.View()
	}
	return views, p.Next, nil
}

func (l *localAccess) Detail(ctx context.Context, n ticket.Number) (ticket.Detail, error) {
	return l.store.Detail(ctx, n)
}

func (l *localAccess) Change(ctx context.Context, n ticket.Number, c ticket.Change, actor string) (ticket.Detail, error) {
	err := l.store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		t, events, err := t.Apply(c, ticket.Actor{Kind: ticket.ActorLead, Name: actor}, l.app.Now(), l.desk.calendar.Deadline)
		if err != nil || len(events) == 0 {
			return err
		}
		return tx.PutTicket(&t, events...)
	})
	if err != nil {
		return ticket.Detail{}, err
	}
	return l.store.Detail(ctx, n)
}

// Unfiled lists what the daemon's API does: the newest 200.
func (l *localAccess) Unfiled(ctx context.Context) (web.UnfiledList, error) {
	messages, err := l.store.Unfiled(ctx, web.MaxUnfiled)
	return web.NewUnfiledList(messages), err
}

func (l *localAccess) Stats(ctx context.Context) (store.Stats, error) { return l.store.Stats(ctx) }

func (l *localAccess) Original(_ context.Context, d ticket.Digest) (io.ReadCloser, error) {
	return l.store.OpenBlob(d)
}

func (l *localAccess) Close() error { return l.store.Close() }

// remote asks a daemon.
type remote struct {
	*web.Client
	url string
	pid int // 0 if not known
}

func (r remote) Tickets(ctx context.Context, q url.Values) ([]ticket.View, string, error) {
	l, err := r.Client.Tickets(ctx, q)
	return l.Tickets, l.Next, err
}

func (r remote) Close() error { return nil }

// daemonFile tells the commands of the same user where the daemon that holds a
// database listens, and the token that lets them change tickets.
type daemonFile struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

func daemonPath(db string) string { return db + ".daemon" }

func writeDaemonFile(db string, d daemonFile) error {
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode daemon file: %w", err)
	}
	tmp := daemonPath(db) + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write daemon file: %w", err)
	}
	if err := os.Rename(tmp, daemonPath(db)); err != nil {
		return fmt.Errorf("write daemon file: %w", err)
	}
	return nil
}

func readDaemonFile(db string) (daemonFile, bool) {
	data, err := os.ReadFile(daemonPath(db))
	if err != nil {
		return daemonFile{}, false
	}
	var d daemonFile
	if json.Unmarshal(data, &d) != nil || d.URL == "" {
		return daemonFile{}, false
	}
	return d, true
}

// login names the person at the keyboard for the history.
func login() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

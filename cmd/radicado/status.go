package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"radicado/store"
	"radicado/ticket"
	"radicado/web"
)

type statusCmd struct {
	accessFlags
}

// statusReport is the JSON of `radicado status`.
type statusReport struct {
	Running    bool                `json:"running"`
	PID        int                 `json:"pid,omitempty"` // unknown with --server
	URL        string              `json:"url,omitempty"`
	Version    string              `json:"version,omitempty"`
	StoreBytes int64               `json:"store_bytes"`
	Mailboxes  []web.MailboxHealth `json:"mailboxes"`
	Stats      store.Stats         `json:"stats"`
}

// Help is kong's longer text.
func (*statusCmd) Help() string {
	return "Exit codes: 0 the daemon runs and no mailbox is stale; 1 otherwise; 2 wrong usage or configuration."
}

// Run says how the daemon and its mailboxes fare.
func (c *statusCmd) Run(ctx context.Context, a *App) error {
	r, err := a.status(ctx, c.accessFlags)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(a.Stdout, r)
	} else {
		err = r.print(a)
	}
	if err != nil {
		return err
	}
	if !r.Running {
		return errors.New("the daemon is not running")
	}
	for _, m := range r.Mailboxes {
		if m.Stale {
			return fmt.Errorf("mailbox %s is stale", m.Mailbox)
		}
	}
	return nil
}

// status asks the daemon, or the file where no daemon has it.
func (a *App) status(ctx context.Context, f accessFlags) (statusReport, error) {
	r := statusReport{Mailboxes: []web.MailboxHealth{}}
	d, err := a.reach(ctx, f, false)
	if err != nil {
		return r, err
	}
	defer d.Close()
	if r.Stats, err = d.Stats(ctx); err != nil {
		return r, err
	}
	switch d := d.(type) {
	case *localAccess:
		r.StoreBytes, err = d.store.Size()
		return r, err
	case remote:
		ready, err := d.Ready(ctx)
		if err != nil {
			return r, err
		}
		r.Running, r.URL, r.PID = true, d.url, d.pid
		r.Version, r.StoreBytes, r.Mailboxes = ready.Version, ready.StoreBytes, ready.Mailboxes
	}
	return r, nil
}

// moment writes a time for people, in the desk's zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(ticket.Bogota).Format("2006-01-02 15:04:05")
}

func (r statusReport) print(a *App) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	if r.Running {
		fmt.Fprintf(w, "daemon\trunning")
		if r.PID != 0 {
			fmt.Fprintf(w, ", pid %d", r.PID)
		}
		fmt.Fprintf(w, ", %s, version %s\n", r.URL, r.Version)
	} else {
		fmt.Fprintf(w, "daemon\tnot running\n")
	}
	for _, m := range r.Mailboxes {
		state := "not connected"
		if m.Connected {
			state = "connected"
		}
		if m.Stale {
			state = "STALE, " + state
		}
		fmt.Fprintf(w, "mailbox %s\t%s, last success %s", m.Mailbox, state, moment(m.LastSuccess))
		if m.Error != "" {
			fmt.Fprintf(w, ", error since %s: %s", moment(m.Since), clip(m.Error, 300))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "tickets\t%d, %d open, %d to review, %d quarantined\n", r.Stats.Tickets, r.Stats.Open, r.Stats.Review, r.Stats.Quarantined)
	fmt.Fprintf(w, "messages\t%d\nstore\t%d bytes\n", r.Stats.Messages, r.StoreBytes)
	return w.Flush()
}

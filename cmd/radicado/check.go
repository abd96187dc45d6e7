package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"radicado/store"
	"radicado/web"
)

type checkCmd struct {
	DB     string `name:"db" help:"Database file; default is the configuration's." type:"path"`
	Config string `help:"Configuration file." type:"path"`
	Repair bool   `help:"Rebuild indexes and counters from the records first."`
	Server bool   `help:"Compare the mail servers with the ledger too; needs --config. Exit code 1 if a mail is neither filed nor waiting."`
	JSON   bool   `name:"json" help:"Print JSON, one problem or folder a line."`
}

// Run verifies the store. Problems make it fail.
func (c *checkCmd) Run(ctx context.Context, a *App) (err error) {
	if c.Server && c.Config == "" {
		return usageError{errors.New("--server: want --config, which names the mail servers")}
	}
	d, err := a.loadDesk(c.Config)
	if err != nil {
		return err
	}
	path := d.config.Store.Path
	if c.DB != "" {
		path = c.DB
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s, err := store.Open(path, store.Options{ReadOnly: !c.Repair, Now: a.Now})
	if at, found := readDaemonFile(path); c.Server && !c.Repair && found && errors.Is(err, store.ErrInUse) {
		fmt.Fprintf(a.Stderr, "radicado: the daemon holds %s: only the mail servers are compared\n", path)
		return c.servers(ctx, a, d, daemonLedger(web.NewClient(at.URL, at.Token, nil)))
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if c.Repair {
		if err := s.Repair(ctx); err != nil {
			return fmt.Errorf("repair %s: %w", path, err)
		}
	}
	problems, err := s.Check(ctx)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	for _, p := range problems {
		if c.JSON {
			if err := writeJSON(a.Stdout, p); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.Stdout, "%s %s: %s\n", p.Bucket, p.Key, p.What)
	}
	if len(problems) > 0 {
		err = fmt.Errorf("%d problems in %s", len(problems), path)
	} else if !c.JSON {
		fmt.Fprintln(a.Stdout, "sound")
	}
	if c.Server {
		err = errors.Join(err, c.servers(ctx, a, d, storeLedger(s)))
	}
	return err
}

// servers compares each mailbox's server with the ledger.
func (c *checkCmd) servers(ctx context.Context, a *App, d *desk, recorded ledger) error {
	var errs []error
	gaps, compared := 0, 0
	for _, m := range d.config.Mailbox {
		if m.IMAP == nil {
			continue
		}
		src, err := a.source(m, 0, 0, slog.New(slog.DiscardHandler))
		if err != nil {
			return usageError{fmt.Errorf("mailbox %s: %w", m.Name, err)}
		}
		list, err := reconcile(ctx, m.Name, src, recorded)
		if err != nil {
			errs = append(errs, fmt.Errorf("mailbox %s: %w", m.Name, err))
		}
		for _, r := range list {
			compared++
			gaps += len(r.Unexplained)
			if c.JSON {
				if err := writeJSON(a.Stdout, r); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(a.Stdout, "%s/%s (uidvalidity %d): %d taken, %d waiting, %d unexplained\n", r.Mailbox, r.Folder, r.UIDValidity, r.Taken, r.Waiting, len(r.Unexplained))
			if len(r.Unexplained) > 0 {
				fmt.Fprintf(a.Stdout, "  unexplained uids: %s\n", uidRanges(r.Unexplained, 0))
			}
		}
	}
	if compared == 0 && len(errs) == 0 {
		return usageError{errors.New("--server: no mailbox of the configuration has an [mailbox.imap] table")}
	}
	if gaps > 0 {
		errs = append(errs, fmt.Errorf("%d mails on the servers are neither filed nor waiting", gaps))
	}
	return errors.Join(errs...)
}

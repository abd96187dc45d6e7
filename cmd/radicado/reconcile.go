package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/store"
	"radicado/ticket"
	"radicado/web"
)

// lister says what a mail server holds; [imap.Source] does.
type lister interface {
	List(ctx context.Context) ([]imap.FolderUIDs, error)
}

// ledger reads what is recorded of a folder: its cursor, then the UIDs with an
// outcome, ascending.
type ledger func(ctx context.Context, mailbox, folder string, uidValidity uint32) (ticket.Cursor, []ticket.UID, error)

// storeLedger reads the file itself.
func storeLedger(s *store.Store) ledger {
	return func(ctx context.Context, mailbox, folder string, uidValidity uint32) (ticket.Cursor, []ticket.UID, error) {
		c, err := s.Cursor(ctx, mailbox, folder)
		if err != nil {
			return c, nil, err
		}
		var uids []ticket.UID
		err = s.Outcomes(ctx, mailbox, folder, uidValidity, 0, func(uid ticket.UID, _ ticket.Outcome) error {
			uids = append(uids, uid)
			return nil
		})
		return c, uids, err
	}
}

// daemonLedger asks the daemon that holds the file.
func daemonLedger(client *web.Client) ledger {
	return func(ctx context.Context, mailbox, folder string, uidValidity uint32) (ticket.Cursor, []ticket.UID, error) {
		var uids []ticket.UID
		c, err := client.Ledger(ctx, mailbox, folder, uidValidity, func(e web.LedgerEntry) { uids = append(uids, e.UID) })
		return c, uids, err
	}
}

// reconcile compares a mailbox's server with the ledger, folder by folder. With
// an error come the folders that could be compared.
func reconcile(ctx context.Context, mailbox string, server lister, recorded ledger) ([]ingest.Reckoning, error) {
	// The order matters: see [ingest.Reckon].
	folders, err := server.List(ctx)
	var reckonings []ingest.Reckoning
	gaps := false
	for _, f := range folders {
		cursor, uids, lerr := recorded(ctx, mailbox, f.Folder, f.UIDValidity)
		if lerr != nil {
			return reckonings, errors.Join(err, fmt.Errorf("read ledger of %s/%s: %w", mailbox, f.Folder, lerr))
		}
		r := ingest.Reckon(mailbox, f.Folder, f.UIDValidity, f.UIDs, cursor, uids)
		gaps = gaps || len(r.Unexplained) > 0
		reckonings = append(reckonings, r)
	}
	if !gaps {
		return reckonings, err
	}
	again, lerr := server.List(ctx)
	err = errors.Join(err, lerr)
	for i := range reckonings {
		r := &reckonings[i]
		for _, f := range again {
			if f.Folder == r.Folder && f.UIDValidity == r.UIDValidity {
				r.StillThere(f.UIDs)
			}
		}
	}
	return reckonings, err
}

// reconcileStart is when the daemon compares for the first time: not while
// everything else begins.
const reconcileStart = time.Hour

// reconciler compares servers and ledger again and again.
type reconciler struct {
	recorded  ledger
	log       *slog.Logger
	mailboxes []reconciled
}

type reconciled struct {
	name        string
	server      lister
	unexplained *atomic.Int64 // of the last comparison; -1 before the first
}

func (r *reconciler) add(name string, server lister) {
	n := new(atomic.Int64)
	n.Store(-1)
	r.mailboxes = append(r.mailboxes, reconciled{name, server, n})
}

// unexplained calls fn with the number of UIDs at or below the cursor without
// an outcome, for each mailbox that has been compared. The target is 0.
func (r *reconciler) unexplained(fn func(mailbox string, n int64)) {
	for _, m := range r.mailboxes {
		if n := m.unexplained.Load(); n >= 0 {
			fn(m.name, n)
		}
	}
}

// run compares until ctx ends: first after reconcileStart, or every if that is
// less. An every of 0 turns it off.
func (r *reconciler) run(ctx context.Context, every time.Duration) error {
	if every <= 0 {
		return nil
	}
	timer := time.NewTimer(min(reconcileStart, every))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		r.once(ctx)
		timer.Reset(every)
	}
}

// once compares every mailbox. What cannot be compared is logged, and the last
// number stays.
func (r *reconciler) once(ctx context.Context) {
	for _, m := range r.mailboxes {
		list, err := reconcile(ctx, m.name, m.server, r.recorded)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.log.Warn("mailbox could not be compared with the ledger", "mailbox", m.name, "error", err)
		}
		total := int64(0)
		for _, k := range list {
			total += int64(len(k.Unexplained))
			attrs := []any{"mailbox", k.Mailbox, "folder", k.Folder, "uidvalidity", k.UIDValidity, "taken", k.Taken, "waiting", k.Waiting, "unexplained", len(k.Unexplained)}
			if len(k.Unexplained) > 0 {
				r.log.Error("mails on the server are neither filed nor waiting", append(attrs, "uids", uidRanges(k.Unexplained, 20))...)
				continue
			}
			r.log.Info("folder compared with the ledger", attrs...)
		}
		if err == nil || total > 0 {
			m.unexplained.Store(total)
		}
	}
}

// uidRanges writes ascending UIDs as IMAP does, "3:5,9"; at most so many ranges,
// 0 for all.
func uidRanges(uids []ticket.UID, most int) string {
	out, n := "", 0
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if n++; most > 0 && n > most {
			return out + ",..."
		}
		if out != "" {
			out += ","
		}
		out += fmt.Sprint(uids[i])
		if j > i {
			out += fmt.Sprint(":", uids[j])
		}
		i = j + 1
	}
	return out
}

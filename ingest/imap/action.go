package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"radicado/ticket"
)

// act does the after-store action to the mails stored now and to those for
// which it failed before. It may be done twice without harm. A server that says
// no is tried again at the next look; only a dead connection is an error.
func (c *session) act(ctx context.Context, f *folder, stored []ticket.UID) error {
	if (c.o.After == After{}) {
		return nil
	}
	for _, uid := range stored {
		f.todo.AddNum(goimap.UID(uid))
	}
	for len(f.todo) > 0 {
		set, rest := split(f.todo, maxBatchSize)
		err := c.actOn(ctx, set)
		if err != nil && c.guard.why() != nil {
			return fmt.Errorf("%s in %s: %w", c.o.After, f.name, err)
		}
		if err != nil {
			c.o.Logger.Warn("imap after-store action failed; it will be tried again", "folder", f.name, "after", c.o.After.String(), "uids", set.String(), "error", err)
			return nil
		}
		f.todo = rest
	}
	return nil
}

// split cuts a set after n UIDs.
func split(set goimap.UIDSet, n int) (first, rest goimap.UIDSet) {
	left := uint64(n)
	for i, r := range set {
		size := uint64(r.Stop) - uint64(r.Start) + 1
		if size <= left {
			first.AddRange(r.Start, r.Stop)
			if left -= size; left == 0 {
				return first, append(rest, set[i+1:]...)
			}
			continue
		}
		cut := r.Start + goimap.UID(left)
		first.AddRange(r.Start, cut-1)
		rest.AddRange(cut, r.Stop)
		return first, append(rest, set[i+1:]...)
	}
	return first, nil
}

func (c *session) actOn(ctx context.Context, set goimap.UIDSet) error {
	if c.o.After.Move == "" {
		return c.flag(ctx, set, goimap.FlagSeen)
	}
	err := c.move(ctx, set)
	var answer *goimap.Error
	if !errors.As(err, &answer) || answer.Type != goimap.StatusResponseTypeNo {
		return err
	}
	// The folder may be missing; not every server says TRYCREATE.
	create := c.do(ctx, responseBudget, "create "+c.o.After.Move, func() error {
		return c.client.Create(c.o.After.Move, nil).Wait()
	})
	if create != nil {
		return errors.Join(err, create)
	}
	c.o.Logger.Info("imap folder created", "folder", c.o.After.Move)
	return c.move(ctx, set)
}

func (c *session) flag(ctx context.Context, set goimap.UIDSet, flag goimap.Flag) error {
	return c.do(ctx, responseBudget, "store flags", func() error {
		return c.client.Store(set, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{flag}}, nil).Close()
	})
}

// errNoMove is a server on which nothing can be moved without removing mails
// that others have marked as deleted.
var errNoMove = errors.New("the server can neither MOVE nor UID EXPUNGE (UIDPLUS)")

// move moves, or copies and removes. Mails that are gone already do no harm.
func (c *session) move(ctx context.Context, set goimap.UIDSet) error {
	if !c.can(goimap.CapMove) {
		return c.copyAndRemove(ctx, set)
	}
	err := c.do(ctx, responseBudget, "move", func() error {
		_, err := c.client.Move(set, c.o.After.Move).Wait()
		return err
	})
	if !isAnswer(err) || busy(err) || !c.can(goimap.CapUIDPlus) {
		return err
	}
	// A folder that is missing or full refuses COPY too; where COPY works, it is
	// MOVE that the server does not do.
	if fallback := c.copyAndRemove(ctx, set); fallback != nil {
		if c.guard.why() != nil {
			return fallback
		}
		return err
	}
	c.refuses(goimap.CapMove, err)
	return nil
}

func (c *session) copyAndRemove(ctx context.Context, set goimap.UIDSet) error {
	if !c.can(goimap.CapUIDPlus) {
		return errNoMove
	}
	err := c.do(ctx, responseBudget, "copy", func() error {
		_, err := c.client.Copy(set, c.o.After.Move).Wait()
		return err
	})
	if err != nil {
		return err
	}
	if err := c.flag(ctx, set, goimap.FlagDeleted); err != nil {
		return err
	}
	return c.do(ctx, responseBudget, "expunge", func() error { return c.client.UIDExpunge(set).Close() })
}

// markWindow is how long before the cursor's last move an outcome is recorded
// whose mail a killed process may have left unmarked: the time of a batch.
const markWindow = 10 * time.Minute

// sweep does the after-store action for what was stored before this process
// began and shows no trace of it: everything up to the cursor, which last moved
// at the given time, has a recorded outcome. It reports whether it came to its
// end. For "seen" it is told apart from what a person has marked unread since:
// only outcomes recorded within markWindow before the cursor's last move count,
// and only once a process.
func (c *session) sweep(ctx, work context.Context, f *folder, last ticket.UID, moved time.Time) (bool, error) {
	if c.o.After.Move != "" {
		return c.sweepMoves(ctx, work, f, last)
	}
	if !c.o.After.Seen || last == 0 {
		return true, nil
	}
	unseen, err := c.unseen(work, last)
	if err != nil {
		return false, err
	}
	var left []ticket.UID
	for _, uid := range slices.Backward(unseen) {
		at, err := c.sink.Recorded(work, ticket.Origin{Mailbox: c.o.Mailbox, Folder: f.name, UIDValidity: f.uidValidity, UID: uid})
		if err != nil {
			return false, fmt.Errorf("read outcome of uid %d of %s: %w", uid, f.name, err)
		}
		if at.IsZero() {
			continue
		}
		// Outcomes are recorded in the order of UIDs.
		if at.Before(moved.Add(-markWindow)) || len(left) == maxBatchSize {
			break
		}
		left = append(left, uid)
	}
	if len(left) == 0 {
		return true, nil
	}
	c.o.Logger.Info("imap mails that were stored and not marked are marked now", "folder", f.name, "mails", len(left))
	return true, c.act(work, f, left)
}

func (c *session) sweepMoves(ctx, work context.Context, f *folder, last ticket.UID) (bool, error) {
	window := uint64(c.window())
	for lo := uint64(1); lo <= uint64(last); lo += window {
		uids, err := c.search(work, ticket.UID(lo), ticket.UID(min(uint64(last), lo+window-1)))
		if err != nil {
			return false, err
		}
		for len(uids) > 0 {
			if ctx.Err() != nil {
				return false, nil
			}
			n := min(len(uids), maxBatchSize)
			if err := c.act(work, f, uids[:n]); err != nil {
				return false, err
			}
			if len(f.todo) > 0 {
				return false, nil // the server says no; the next look tries again
			}
			uids = uids[n:]
		}
	}
	return true, nil
}

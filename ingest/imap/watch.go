package imap

import (
	"context"
	"errors"
	"fmt"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// reason says what ended a wait.
type reason int

const (
	stopped   reason = iota // ctx has ended
	announced               // the server announced something in the first folder
	due                     // time to look again
	onward                  // there is more to take, or another folder was selected meanwhile
)

// loop looks through all folders, waits, and so on. Each folder has its turn;
// the first comes at the beginning of each round and, where another was
// selected, once more before the wait, for which it must be selected.
func (c *session) loop(ctx, work context.Context, healthy func()) error {
	why := due
	var everywhere time.Time // when the last look through all folders began
	others := c.folders[1:]  // which are due
	for ctx.Err() == nil {
		r := round{session: c}
		first, err := r.look(ctx, work, c.folders[0])
		if err != nil {
			return err
		}
		if time.Since(everywhere) >= c.o.Poll || why == due {
			everywhere, others = time.Now(), c.folders[1:]
			if err := c.resolveMissing(work); err != nil {
				return err
			}
		}
		var more []*folder
		for _, f := range others {
			if ctx.Err() != nil {
				return nil
			}
			if f.same {
				continue
			}
			quiet, err := c.quiet(work, f)
			if err != nil {
				return err
			}
			if quiet {
				continue
			}
			if _, err := r.look(ctx, work, f); err != nil {
				return err
			}
			if r.more {
				more = append(more, f)
			}
		}
		others = more
		switch {
		case ctx.Err() != nil:
			return nil
		case r.refused != nil:
			c.failed(r.refused)
		default:
			c.succeeded()
			healthy()
		}
		// A look that was merely due and found something shows that IDLE is
		// silent here, or not yet proven: then Poll decides. See wait.
		if first.taken > 0 && why != onward {
			c.proven = why == announced
		}
		if first.more || len(others) > 0 || c.selected != c.folders[0] && !c.folders[0].refused {
			why = onward
			continue
		}
		if why, err = c.wait(ctx, work); err != nil {
			return err
		}
	}
	return nil
}

// round is one look through the folders that are due.
type round struct {
	*session
	looked
	refused error // of the folders that could not be read, joined
}

// looked is what a look has found.
type looked struct {
	taken int
	more  bool
}

// look looks at f. That it cannot be read is no error of the round.
func (r *round) look(ctx, work context.Context, f *folder) (looked, error) {
	var err error
	r.looked = looked{}
	r.taken, r.more, err = r.session.look(ctx, work, f)
	if err != nil && !errors.As(err, new(*refusal)) {
		return r.looked, err
	}
	if err != nil {
		r.refused = errors.Join(r.refused, err)
	}
	if f.refused != (err != nil) { // not at each look
		if f.refused = err != nil; f.refused {
			r.o.Logger.Warn("imap folder cannot be read", "folder", f.wanted, "error", err)
		} else {
			r.o.Logger.Info("imap folder can be read again", "folder", f.wanted)
		}
	}
	return r.looked, nil
}

// wait returns when something may have come. It idles where the server can and
// the first folder is selected: for IdleRefresh if IDLE has announced a mail
// before and there is no other folder to look at, else for Poll.
func (c *session) wait(ctx, work context.Context) (reason, error) {
	limit := c.o.Poll
	idles := c.can(goimap.CapIdle) && c.selected == c.folders[0]
	if idles && c.proven && len(c.folders) == 1 {
		limit = c.o.IdleRefresh
	}
	limit = min(limit, c.o.IdleRefresh)
	if !idles {
		return c.pause(ctx, limit)
	}

	var idle *imapclient.IdleCommand
	err := c.do(work, responseBudget, "idle", func() (err error) {
		idle, err = c.client.Idle()
		return err
	})
	if isAnswer(err) && !busy(err) {
		// Offered, and yet refused: looked at every Poll from now on.
		c.refuses(goimap.CapIdle, err)
		return c.pause(ctx, min(c.o.Poll, c.o.IdleRefresh))
	}
	if err != nil {
		return stopped, err
	}
	// From here until Close no answer is due. What arrived between the last
	// search and now has been announced already, or is announced first thing.
	why, waitErr := c.pause(ctx, limit)
	if waitErr != nil {
		// The connection is gone; Close then returns at once.
		_ = idle.Close()
		return why, waitErr
	}
	return why, c.do(work, responseBudget, "end idle", func() error {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	})
}

// pause waits for the first of an announcement, limit, ctx and the connection's
// end, which is an error.
func (c *session) pause(ctx context.Context, limit time.Duration) (reason, error) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return stopped, nil
	case <-c.client.Closed():
		return stopped, fmt.Errorf("while waiting for mail: %w", c.died())
	case <-c.arrived:
		return announced, nil
	case <-t.C:
		return due, nil
	}
}

// died says why the connection ended by itself.
func (c *session) died() error {
	if why := c.guard.why(); why != nil {
		return why
	}
	if err := c.client.Close(); err != nil {
		return err
	}
	return errCut
}

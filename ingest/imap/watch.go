package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
)

// loop looks through all folders, waits, and so on. It looks at the first
// folder last, so that it stays selected for IDLE.
func (c *session) loop(ctx, work context.Context, healthy func()) error {
	why := due
	var everywhere time.Time // when the last look through all folders began
	for ctx.Err() == nil {
		taken, refused := 0, error(nil)
		folders := c.folders
		if why == announced && time.Since(everywhere) < c.o.Poll {
			folders = folders[:1]
		} else {
			everywhere = time.Now()
		}
		for _, f := range slices.Backward(folders) {
			n, err := c.look(ctx, work, f)
			taken += n
			if err != nil && !errors.As(err, new(*refusal)) {
				return err
			}
			if err != nil {
				refused = errors.Join(refused, err)
			}
			if f.refused != (err != nil) { // not at each look
				if f.refused = err != nil; f.refused {
					c.o.Logger.Warn("imap folder cannot be read", "error", err)
				} else {
					c.o.Logger.Info("imap folder can be read again", "folder", f.name)
				}
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case refused != nil:
			c.failed(refused)
		default:
			c.succeeded()
			healthy()
		}
		// A look that was merely due and found something shows that IDLE is
		// silent here, or not yet proven: then Poll decides. See wait.
		if taken > 0 {
			c.proven = why == announced
		}
		var err error
		if why, err = c.wait(ctx, work); err != nil {
			return err
		}
	}
	return nil
}

// wait returns when something may have come. It idles where the server can and
// the first folder is selected: for IdleRefresh if IDLE has announced a mail
// before and there is no other folder to look at, else for Poll.
func (c *session) wait(ctx, work context.Context) (reason, error) {
	limit := c.o.Poll
	idles := c.caps.Has(goimap.CapIdle) && c.selected == c.folders[0]
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

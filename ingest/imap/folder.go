package imap

import (
	"context"
	"errors"
	"fmt"
	"math"

	goimap "github.com/emersion/go-imap/v2"

	"radicado/ingest"
	"radicado/ticket"
)

// folder is what a Source remembers of one folder between connections. Losing
// it costs at most some attempts: the sink's cursor is what counts.
type folder struct {
	name        string
	uidValidity uint32
	uidNext     ticket.UID // as SELECT said, 0 if it did not

	todo  goimap.UIDSet // stored, but not yet flagged or moved
	swept bool          // what an earlier process left unmoved was looked for

	refused bool // the server would not let us select it at the last look

	trouble trouble
	// careful: up to this UID mails are taken one by one, so that the one which
	// fails is known.
	careful ticket.UID
}

// trouble counts the failures at one UID.
type trouble struct {
	uid      ticket.UID
	failures int
	sinkSide bool // the last failure was the sink's, not the connection's
	err      error
}

// blame records a failure at uid, in a batch that ended with last. A full disk
// is no mail's fault and counts for none.
func (f *folder) blame(uid, last ticket.UID, sinkSide bool, err error) {
	if errors.Is(err, ingest.ErrStorage) {
		return
	}
	if f.trouble.uid != uid {
		f.trouble = trouble{uid: uid}
	}
	f.trouble.failures++
	f.trouble.sinkSide, f.trouble.err = sinkSide, err
	f.careful = max(f.careful, last)
}

// passed forgets the failures at uid.
func (f *folder) passed(uid ticket.UID) {
	if f.trouble.uid == uid {
		f.trouble = trouble{}
	}
}

// refusal is a folder that the server will not let us select.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// selectFolder selects f unless it is. Where nothing is to be changed it is
// opened read-only.
func (c *session) selectFolder(ctx context.Context, f *folder) error {
	if c.selected == f {
		return nil
	}
	c.selected = nil
	var data *goimap.SelectData
	err := c.do(ctx, responseBudget, "select "+f.name, func() (err error) {
		data, err = c.client.Select(f.name, &goimap.SelectOptions{ReadOnly: c.o.After == After{}}).Wait()
		return err
	})
	if isAnswer(err) {
		return &refusal{err}
	}
	if err != nil {
		return err
	}
	if data.UIDValidity == 0 {
		return &refusal{fmt.Errorf("select %s: the server gives no UIDVALIDITY", f.name)}
	}
	if f.uidValidity != data.UIDValidity {
		*f = folder{name: f.name, uidValidity: data.UIDValidity, refused: f.refused}
	}
	f.uidNext = ticket.UID(data.UIDNext)
	c.selected = f
	return nil
}

// look takes what has come to a folder since the cursor and returns how many
// mails were stored. It stops between two batches once ctx has ended; commands
// run under work.
func (c *session) look(ctx, work context.Context, f *folder) (int, error) {
	if f == c.folders[0] {
		// Before the search: what is announced from now on may be missed by it.
		select {
		case <-c.arrived:
		default:
		}
	}
	if err := c.selectFolder(work, f); err != nil {
		return 0, err
	}
	cursor, err := c.sink.Cursor(work, c.o.Mailbox, f.name)
	if err != nil {
		return 0, fmt.Errorf("read cursor of %s: %w", f.name, err)
	}
	last := cursor.Last
	if cursor.UIDValidity != f.uidValidity {
		if cursor.UIDValidity != 0 {
			c.o.Logger.Warn("imap folder was renumbered by the server; it is read from its beginning, and what is known will be recognised",
				"folder", f.name, "uidvalidity", f.uidValidity, "was", cursor.UIDValidity)
		}
		last = 0
	}
	if err := c.act(work, f, nil); err != nil {
		return 0, err
	}
	taken, err := c.takeFrom(ctx, work, f, last)
	if err != nil {
		return taken, err
	}
	if ctx.Err() == nil && !f.swept {
		if f.swept, err = c.sweep(ctx, work, f, last); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// takeFrom takes everything above the UID last.
func (c *session) takeFrom(ctx, work context.Context, f *folder, last ticket.UID) (int, error) {
	taken := 0
	previous := last
	for last < math.MaxUint32 {
		hi := ticket.UID(0)
		if f.uidNext > last && f.uidNext-last > searchWindow {
			hi = last + searchWindow
		}
		uids, err := c.search(work, last+1, hi)
		if err != nil {
			return taken, err
		}
		for len(uids) > 0 {
			if ctx.Err() != nil {
				return taken, nil
			}
			size := min(c.o.BatchSize, len(uids))
			if uids[0] <= f.careful {
				size = 1
			}
			b := &batch{session: c, folder: f, previous: previous}
			if f.trouble.uid == uids[0] && f.trouble.failures >= c.o.MaxFailures {
				size = 1
				err = b.quarantine(work, uids[0])
			} else {
				err = b.take(ctx, work, uids[:size])
			}
			taken += b.stored
			if err != nil {
				return taken, err
			}
			previous = b.previous
			uids = uids[b.done:]
		}
		if hi == 0 {
			return taken, nil
		}
		last = hi
	}
	return taken, nil
}

// errSilent is a mail that a search finds and a FETCH does not bring.
var errSilent = errors.New("the server lists the mail but does not send it")

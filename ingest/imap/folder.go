package imap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"radicado/ingest"
	"radicado/ticket"
)

// folder is what a Source remembers of one folder between connections. Losing
// it costs at most some attempts: the sink's cursor is what counts.
type folder struct {
	wanted  string // as configured: a name or a special use
	name    string // on the server; "" while that is not known
	missing error  // why there is no such folder, nil if there is one or that is not known
	same    bool   // an earlier folder of the list is this one
	junk    bool   // the server's place for spam

	uidValidity uint32
	uidNext     ticket.UID // as SELECT said, 0 if it did not

	waiting  []ticket.UID // found by a search, not yet taken; above the cursor
	searched ticket.UID   // up to where this pass has searched; MaxUint32 is the end
	cleared  ticket.UID   // UIDNEXT, from SELECT, of the last pass that came to its end
	checked  time.Time    // end of that pass

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
	if f.missing != nil {
		return &refusal{fmt.Errorf("%w: %w", errMissing, f.missing)}
	}
	c.selected = nil
	var data *goimap.SelectData
	err := c.do(ctx, responseBudget, "select "+f.name, func() (err error) {
		data, err = c.client.Select(f.name, &goimap.SelectOptions{ReadOnly: c.o.After == After{}}).Wait()
		return err
	})
	if isAnswer(err) && !busy(err) {
		return &refusal{err}
	}
	if err != nil {
		return err
	}
	if data.UIDValidity == 0 {
		return &refusal{fmt.Errorf("select %s: the server gives no UIDVALIDITY", f.name)}
	}
	if f.uidValidity != data.UIDValidity {
		*f = folder{wanted: f.wanted, name: f.name, junk: f.junk, uidValidity: data.UIDValidity, refused: f.refused}
	}
	f.uidNext = ticket.UID(data.UIDNext)
	c.selected = f
	return nil
}

// look takes what has come to a folder since the cursor, but not more than the
// folder's turn, and returns how many mails were stored and whether more wait.
// It stops between two batches once ctx has ended; commands run under work.
func (c *session) look(ctx, work context.Context, f *folder) (taken int, more bool, err error) {
	if f == c.folders[0] {
		// Before the search: what is announced from now on may be missed by it.
		select {
		case <-c.arrived:
		default:
		}
	}
	if err := c.selectFolder(work, f); err != nil {
		return 0, false, err
	}
	cursor, err := c.sink.Cursor(work, c.o.Mailbox, f.name)
	if err != nil {
		return 0, false, fmt.Errorf("read cursor of %s: %w", f.name, err)
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
		return 0, false, err
	}
	taken, more, err = c.takeFrom(ctx, work, f, last)
	if err != nil || ctx.Err() != nil {
		return taken, more, err
	}
	if !f.swept {
		if f.swept, err = c.sweep(ctx, work, f, last, cursor.At); err != nil {
			return taken, more, err
		}
	}
	if !more {
		f.cleared, f.checked = f.uidNext, time.Now()
	}
	return taken, more, nil
}

// The turns, in batches: a folder with a year of mail must not keep the others
// waiting. The first folder is the one that people wait for.
const (
	firstTurn = 10
	otherTurn = 1
	// otherBatch is the most mails in a batch of a folder that is not the first.
	otherBatch = 20
)

// turn returns how many batches of which size a folder may take at once.
func (c *session) turn(f *folder) (batches, size int) {
	size = min(c.o.BatchSize, int(c.window()))
	if f == c.folders[0] {
		return firstTurn, size
	}
	return otherTurn, min(otherBatch, size)
}

// takeFrom takes what is above the UID last, as long as the turn lasts. What a
// search found beyond that is kept for the next turn.
func (c *session) takeFrom(ctx, work context.Context, f *folder, last ticket.UID) (taken int, more bool, err error) {
	defer func() {
		if err != nil || !more {
			f.waiting, f.searched = nil, 0 // the next look searches from the cursor
		}
	}()
	batches, size := c.turn(f)
	known, _ := slices.BinarySearch(f.waiting, last+1)
	f.waiting = f.waiting[known:]
	previous := last
	for {
		if len(f.waiting) == 0 {
			from := max(last, f.searched)
			if from == math.MaxUint32 {
				return taken, false, nil
			}
			if batches <= 0 {
				return taken, true, nil
			}
			if f.waiting, f.searched, err = c.searchAbove(work, f, from); err != nil {
				return taken, false, err
			}
			continue
		}
		if ctx.Err() != nil || batches <= 0 {
			return taken, true, nil
		}
		n := min(size, len(f.waiting))
		if f.waiting[0] <= f.careful {
			n = 1
		} else {
			batches--
		}
		b := &batch{session: c, folder: f, previous: previous}
		if f.trouble.uid == f.waiting[0] && f.trouble.failures >= c.o.MaxFailures {
			err = b.quarantine(work, f.waiting[0])
		} else {
			err = b.take(ctx, work, f.waiting[:n])
		}
		taken += b.stored
		if err != nil {
			return taken, false, err
		}
		previous = b.previous
		f.waiting = f.waiting[b.done:]
		if b.done > 0 {
			last = max(last, previous)
		}
	}
}

// quiet reports by STATUS that nothing has come to a folder since its last look,
// so that the selected one can stay selected. UIDNEXT is enough: it grows with
// each mail (RFC 9051 section 2.3.1.1), and flags mean nothing here. Where a
// server does not tell, and every IdleRefresh whatever it tells, the folder is
// looked at.
func (c *session) quiet(ctx context.Context, f *folder) (bool, error) {
	if f.missing != nil || f.cleared == 0 || !f.swept || len(f.todo) > 0 || len(f.waiting) > 0 || c.selected == f || time.Since(f.checked) >= c.o.IdleRefresh {
		return false, nil
	}
	var data *goimap.StatusData
	err := c.do(ctx, responseBudget, "status "+f.name, func() (err error) {
		data, err = c.client.Status(f.name, &goimap.StatusOptions{UIDNext: true, UIDValidity: true}).Wait()
		return err
	})
	if isAnswer(err) && !busy(err) {
		return false, nil // SELECT will say more
	}
	if err != nil {
		return false, err
	}
	return data.UIDValidity == f.uidValidity && ticket.UID(data.UIDNext) == f.cleared, nil
}

// errSilent is a mail that a search finds and a FETCH does not bring.
var errSilent = errors.New("the server lists the mail but does not send it")

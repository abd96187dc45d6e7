package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"radicado/ticket"
)

// Outcome returns what became of the mail met at o, or [ErrNotFound].
func (tx *Tx) Outcome(o ticket.Origin) (ticket.Outcome, error) {
	key, err := ledgerKey(o)
	if err != nil {
		return ticket.Outcome{}, fmt.Errorf("outcome of %s: %w", o, err)
	}
	out, err := decode[ticket.Outcome](tx.get(bucketLedger, key))
	if err != nil {
		return ticket.Outcome{}, fmt.Errorf("outcome of %s: %w", o, err)
	}
	return out, nil
}

// PutOutcome records what became of the mail met at o. A recorded outcome is
// never overwritten: that is an error. A duplicate counts in
// [Stats].ByDisposition; all others are counted as filings of their message.
func (tx *Tx) PutOutcome(o ticket.Origin, out ticket.Outcome) error {
	key, err := ledgerKey(o)
	if err != nil {
		return fmt.Errorf("put outcome of %s: %w", o, err)
	}
	if tx.get(bucketLedger, key) != nil {
		return fmt.Errorf("put outcome of %s: recorded already", o)
	}
	value, err := encode(&out)
	if err != nil {
		return fmt.Errorf("put outcome of %s: %w", o, err)
	}
	if err := tx.put(bucketLedger, key, value); err != nil {
		return fmt.Errorf("put outcome of %s: %w", o, err)
	}
	if err := tx.apply(entries{}, outcomeEntries(&out)); err != nil {
		return fmt.Errorf("put outcome of %s: %w", o, err)
	}
	return nil
}

// Cursor returns how far a folder has been taken; the zero value if never.
func (s *Store) Cursor(ctx context.Context, mailbox, folder string) (c ticket.Cursor, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		c, err = tx.Cursor(mailbox, folder)
		return err
	})
	return c, err
}

// Outcomes calls fn for the outcomes recorded of a server's folder under one
// UIDVALIDITY, those above the UID after, ascending. It uses several short
// transactions and calls fn outside of them, so fn may take its time; an error
// of fn ends it and is returned as it is.
func (s *Store) Outcomes(ctx context.Context, mailbox, folder string, uidValidity uint32, after ticket.UID, fn func(ticket.UID, ticket.Outcome) error) error {
	origin := ticket.Origin{Mailbox: mailbox, Folder: folder, UIDValidity: uidValidity, UID: 1}
	first, err := ledgerKey(origin)
	if err != nil {
		return fmt.Errorf("outcomes of %s/%s: %w", mailbox, folder, err)
	}
	prefix := first[:len(first)-4]
	type entry struct {
		uid ticket.UID
		out ticket.Outcome
	}
	for more := true; more; {
		var batch []entry
		err := s.View(ctx, func(tx *Tx) error {
			c := tx.bucket(bucketLedger).Cursor()
			k, v := c.Seek(binary.BigEndian.AppendUint32(bytes.Clone(prefix), uint32(after)))
			for ; bytes.HasPrefix(k, prefix) && len(batch) < viewRecords; k, v = c.Next() {
				o, err := parseLedgerKey(k)
				if err != nil {
					return fmt.Errorf("%s %x: %w", bucketLedger, k, err)
				}
				if o.UID <= after {
					continue
				}
				out, err := decode[ticket.Outcome](v)
				if err != nil {
					return fmt.Errorf("outcome of %s: %w", o, err)
				}
				batch = append(batch, entry{o.UID, out})
			}
			more = bytes.HasPrefix(k, prefix)
			return nil
		})
		if err != nil {
			return fmt.Errorf("outcomes of %s/%s: %w", mailbox, folder, err)
		}
		for _, e := range batch {
			if err := fn(e.uid, e.out); err != nil {
				return err
			}
			after = e.uid
		}
	}
	return nil
}

// Cursor returns how far a folder has been taken; the zero value if never.
func (tx *Tx) Cursor(mailbox, folder string) (ticket.Cursor, error) {
	key, err := cursorKey(mailbox, folder)
	if err != nil {
		return ticket.Cursor{}, fmt.Errorf("cursor of %s/%s: %w", mailbox, folder, err)
	}
	c, err := decode[ticket.Cursor](tx.get(bucketCursors, key))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return ticket.Cursor{}, fmt.Errorf("cursor of %s/%s: %w", mailbox, folder, err)
	}
	return c, nil
}

// AdvanceCursor moves the folder's cursor to uid if it stands at previous under
// this UIDVALIDITY. Under another one, or without a cursor, previous must be 0
// and the cursor begins anew. Else it fails with [ErrOutOfOrder], also where
// uid does not lie behind previous.
func (tx *Tx) AdvanceCursor(mailbox, folder string, uidValidity uint32, previous, uid ticket.UID, at time.Time) error {
	c, err := tx.Cursor(mailbox, folder)
	if err != nil {
		return err
	}
	last := c.Last
	if c.UIDValidity != uidValidity {
		last = 0
	}
	if previous != last || uid <= previous {
		return fmt.Errorf("advance cursor of %s/%s (uidvalidity %d, uid %d) to uidvalidity %d, uid %d from %d: %w",
			mailbox, folder, c.UIDValidity, c.Last, uidValidity, uid, previous, ErrOutOfOrder)
	}
	key, err := cursorKey(mailbox, folder)
	if err != nil {
		return err
	}
	value, err := encode(ticket.Cursor{UIDValidity: uidValidity, Last: uid, At: at})
	if err != nil {
		return err
	}
	if err := tx.put(bucketCursors, key, value); err != nil {
		return fmt.Errorf("advance cursor of %s/%s: %w", mailbox, folder, err)
	}
	return nil
}

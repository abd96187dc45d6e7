package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"radicado/ticket"
)

// NextNumber gives out the year's next number. It is undone with the
// transaction, so numbers have no gaps; for the same reason the function that
// took one fails unless it puts a ticket under it.
func (tx *Tx) NextNumber(year int) (ticket.Number, error) {
	if year < 1 || year > 9999 {
		return ticket.Number{}, fmt.Errorf("number for year %d: want 1 to 9999", year)
	}
	last := tx.lastNumber(year)
	if last == math.MaxUint32 {
		return ticket.Number{}, fmt.Errorf("number for year %d: used up", year)
	}
	n := ticket.Number{Year: year, Seq: last + 1}
	if err := tx.put(bucketYears, yearKey(year), binary.BigEndian.AppendUint32(nil, n.Seq)); err != nil {
		return ticket.Number{}, fmt.Errorf("number for year %d: %w", year, err)
	}
	if tx.given == nil {
		tx.given = map[ticket.Number]bool{}
	}
	tx.given[n] = true
	return n, nil
}

func (tx *Tx) lastNumber(year int) uint32 {
	v := tx.get(bucketYears, yearKey(year))
	if len(v) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

// PutTicket writes or replaces t with its place in all indexes and counters and
// appends events to its history; their Seq is given here. The number must have
// come from [Tx.NextNumber].
func (tx *Tx) PutTicket(t *ticket.Ticket, events ...ticket.Event) error {
	if err := tx.putTicket(t, events); err != nil {
		return fmt.Errorf("put ticket %s: %w", t.Number, err)
	}
	return nil
}

func (tx *Tx) putTicket(t *ticket.Ticket, events []ticket.Event) error {
	if !validNumber(t.Number) || t.Number.Seq > tx.lastNumber(t.Number.Year) {
		return fmt.Errorf("number was not given out")
	}
	key := numberKey(t.Number)
	var was, is entries
	if old, err := decode[ticket.Ticket](tx.get(bucketTickets, key)); err == nil {
		was = ticketEntries(&old)
	} else if tx.get(bucketTickets, key) != nil {
		return fmt.Errorf("stored ticket: %w", err)
	}
	is, err := checkedTicketEntries(t)
	if err != nil {
		return err
	}
	value, err := encode(t)
	if err != nil {
		return err
	}
	if err := tx.put(bucketTickets, key, value); err != nil {
		return err
	}
	if err := tx.apply(was, is); err != nil {
		return err
	}
	delete(tx.given, t.Number)
	if len(events) == 0 {
		return nil
	}
	seq, err := tx.lastEvent(t.Number)
	if err != nil {
		return err
	}
	for _, e := range events {
		seq++
		e.Seq = seq
		value, err := encode(e)
		if err != nil {
			return err
		}
		if err := tx.put(bucketEvents, eventKey(t.Number, seq), value); err != nil {
			return err
		}
	}
	return nil
}

// lastEvent returns the seq of the ticket's newest event, 0 without one.
func (tx *Tx) lastEvent(n ticket.Number) (uint64, error) {
	c := tx.bucket(bucketEvents).Cursor()
	k, _ := c.Seek(eventKey(n, math.MaxUint64))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	prefix := numberKey(n)
	if !bytes.HasPrefix(k, prefix) {
		return 0, nil
	}
	if len(k) != numberLen+seqLen {
		return 0, fmt.Errorf("event %x: %w", k, errKey)
	}
	return binary.BigEndian.Uint64(k[numberLen:]), nil
}

// Ticket returns a ticket, or [ErrNotFound].
func (tx *Tx) Ticket(n ticket.Number) (ticket.Ticket, error) {
	t, err := decode[ticket.Ticket](tx.get(bucketTickets, numberKey(n)))
	if err != nil {
		return ticket.Ticket{}, fmt.Errorf("ticket %s: %w", n, err)
	}
	return t, nil
}

// Events returns a ticket's history, oldest first.
func (tx *Tx) Events(n ticket.Number) ([]ticket.Event, error) {
	var events []ticket.Event
	prefix := numberKey(n)
	c := tx.bucket(bucketEvents).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		e, err := decode[ticket.Event](v)
		if err != nil {
			return nil, fmt.Errorf("event %x of ticket %s: %w", k[numberLen:], n, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// Messages returns the ticket's thread in the order of filing.
func (tx *Tx) Messages(n ticket.Number) ([]ticket.Message, error) {
	digests, err := tx.thread(n)
	if err != nil {
		return nil, err
	}
	messages := make([]ticket.Message, len(digests))
	for i, d := range digests {
		if messages[i], err = tx.Message(d); err != nil {
			return nil, fmt.Errorf("thread of ticket %s: %w", n, err)
		}
	}
	return messages, nil
}

// thread returns the digests of the ticket's messages.
func (tx *Tx) thread(n ticket.Number) ([]ticket.Digest, error) {
	return tx.digests(indexThread, numberKey(n), math.MaxInt)
}

// digests reads at most limit digests that an index holds under a prefix.
func (tx *Tx) digests(b bucket, prefix []byte, limit int) ([]ticket.Digest, error) {
	var out []ticket.Digest
	c := tx.bucket(b).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(out) < limit; k, v = c.Next() {
		if len(v) != len(ticket.Digest{}) {
			return nil, fmt.Errorf("%s %x: %w", b, k, errValue)
		}
		out = append(out, ticket.Digest(v))
	}
	return out, nil
}

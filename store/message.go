package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"radicado/ticket"
)

// maxByID bounds what MessagesByID returns: a Message-ID is the sender's to choose.
const maxByID = 50

// PutMessage writes or replaces m and what the indexes and counters hold
// because of its filings. The text goes to a record of its own: from body, or
// where that is nil and m is new, from m.Mail. A nil body on a replace keeps
// the stored one. m itself is not changed. A message has at most one filing a
// mailbox.
func (tx *Tx) PutMessage(m *ticket.Message, body *ticket.Body) error {
	if err := tx.putMessage(m, body); err != nil {
		return fmt.Errorf("put message %s: %w", m.Digest, err)
	}
	return nil
}

func (tx *Tx) putMessage(m *ticket.Message, body *ticket.Body) error {
	if m.Digest.IsZero() {
		return errors.New("no digest")
	}
	for i, f := range m.Filings {
		if err := checkName("mailbox", f.Mailbox); err != nil {
			return err
		}
		if slices.ContainsFunc(m.Filings[:i], func(o ticket.Filing) bool { return o.Mailbox == f.Mailbox }) {
			return fmt.Errorf("two filings in mailbox %s", f.Mailbox)
		}
		if !f.Ticket.IsZero() && !validNumber(f.Ticket) {
			return fmt.Errorf("filing with ticket %v", f.Ticket)
		}
	}
	r := messageRecord{Message: *m}
	r.Mail.Text, r.Mail.HTML, r.Mail.NewText = "", "", ""
	r.Mail.Date, r.Mail.Received = storable(m.Mail.Date), storable(m.Mail.Received)

	var was entries
	var old messageRecord
	stored := tx.get(bucketMessages, m.Digest[:])
	if stored != nil {
		var err error
		if old, err = decode[messageRecord](stored); err != nil {
			return fmt.Errorf("stored message: %w", err)
		}
		was = messageEntries(&old)
		r.Seq = old.Seq
	} else {
		if body == nil {
			body = &ticket.Body{Text: m.Mail.Text, HTML: m.Mail.HTML, NewText: m.Mail.NewText}
		}
		var err error
		if r.Seq, err = tx.next(bucketMessages); err != nil {
			return err
		}
	}
	// A filing keeps its place in time, whatever else of it changes.
	r.Filed = make([]uint64, len(r.Filings))
	for i, f := range r.Filings {
		j := slices.IndexFunc(old.Filings, func(o ticket.Filing) bool { return o.Mailbox == f.Mailbox })
		if j >= 0 && j < len(old.Filed) {
			r.Filed[i] = old.Filed[j]
			continue
		}
		var err error
		if r.Filed[i], err = tx.next(bucketMessages); err != nil {
			return err
		}
	}
	value, err := encode(&r)
	if err != nil {
		return err
	}
	if err := tx.put(bucketMessages, slices.Clone(m.Digest[:]), value); err != nil {
		return err
	}
	if body != nil {
		value, err := encodeBody(body)
		if err != nil {
			return err
		}
		if err := tx.put(bucketBodies, slices.Clone(m.Digest[:]), value); err != nil {
			return err
		}
	}
	return tx.apply(was, messageEntries(&r))
}

// Message returns a message without its text, or [ErrNotFound].
func (tx *Tx) Message(d ticket.Digest) (ticket.Message, error) {
	r, err := decode[messageRecord](tx.get(bucketMessages, d[:]))
	if err != nil {
		return ticket.Message{}, fmt.Errorf("message %s: %w", d, err)
	}
	return r.Message, nil
}

// Body returns a message's text, or [ErrNotFound].
func (tx *Tx) Body(d ticket.Digest) (ticket.Body, error) {
	b, err := decodeBody(tx.get(bucketBodies, d[:]))
	if err != nil {
		return ticket.Body{}, fmt.Errorf("text of message %s: %w", d, err)
	}
	return b, nil
}

// MessagesByID returns the messages with this Message-ID, oldest first, at most
// 50. The empty id has none.
func (tx *Tx) MessagesByID(messageID string) ([]ticket.Message, error) {
	if messageID == "" {
		return nil, nil
	}
	digests, err := tx.digests(indexMessageID, messageIDKey(messageID), maxByID)
	if err != nil {
		return nil, err
	}
	messages := make([]ticket.Message, len(digests))
	for i, d := range digests {
		if messages[i], err = tx.Message(d); err != nil {
			return nil, fmt.Errorf("message by id: %w", err)
		}
	}
	return messages, nil
}

// MessageByContent returns the oldest message with this content digest, or
// [ErrNotFound].
func (tx *Tx) MessageByContent(d ticket.Digest) (ticket.Message, error) {
	digests, err := tx.digests(indexContent, d[:], 1)
	if err != nil {
		return ticket.Message{}, err
	}
	if len(digests) == 0 {
		return ticket.Message{}, fmt.Errorf("message with content %s: %w", d, ErrNotFound)
	}
	return tx.Message(digests[0])
}

// Unfiled returns messages with a filing that belongs to no ticket (automatic
// replies, bounces, bulk), newest first. A limit of 0 means 100, -1 all.
func (s *Store) Unfiled(ctx context.Context, limit int) ([]ticket.Message, error) {
	limit = pageLimit(limit)
	messages := []ticket.Message{}
	var after []byte // key of the last one read
	for more := true; more && len(messages) < limit; {
		err := s.View(ctx, func(tx *Tx) error {
			c := tx.bucket(indexUnfiled).Cursor()
			k, v := seekBefore(c, after)
			for n := 0; k != nil && n < viewRecords && len(messages) < limit; n++ {
				if len(v) != len(ticket.Digest{}) {
					return fmt.Errorf("%s %x: %w", indexUnfiled, k, errValue)
				}
				m, err := tx.Message(ticket.Digest(v))
				if err != nil {
					return err
				}
				messages = append(messages, m)
				after = slices.Clone(k)
				k, v = c.Prev()
			}
			more = k != nil
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("unfiled messages: %w", err)
		}
	}
	return messages, nil
}

// pageLimit gives Limit's special values their meaning.
func pageLimit(limit int) int {
	switch {
	case limit < 0:
		return math.MaxInt
	case limit == 0:
		return defaultLimit
	}
	return limit
}

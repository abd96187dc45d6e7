package ingest

import (
	"errors"
	"fmt"
	"slices"

	"radicado/store"
	"radicado/ticket"
)

// file writes everything that a mail changes, inside one transaction: message,
// original, ticket with its indexes and events, the ledger's outcome and the
// folder's cursor. It may run again if another mail of the group fails.
func (p *Pipeline) file(tx *store.Tx, s *Staged) (Result, error) {
	s.attached = false
	if s.m.Origin.FromServer() {
		out, err := tx.Outcome(s.m.Origin)
		if err == nil {
			return repeated(tx, out)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return Result{}, fmt.Errorf("look up outcome: %w", err)
		}
	}
	known, err := p.known(tx, s)
	if err != nil {
		return Result{}, err
	}
	var r Result
	if f, ok := known.Filing(s.m.Origin.Mailbox); ok {
		r, err = duplicate(tx, f, known.Digest)
	} else {
		r, err = p.fileMessage(tx, s, known)
	}
	if err != nil {
		return Result{}, err
	}
	if !s.m.Origin.FromServer() {
		return r, nil
	}
	o := s.m.Origin
	at := p.o.Now()
	if err := tx.PutOutcome(o, ticket.Outcome{Disposition: r.Disposition, Ticket: r.Ticket.Number, Digest: s.digest, Message: r.Digest, At: at}); err != nil {
		return Result{}, fmt.Errorf("record outcome: %w", err)
	}
	if err := tx.AdvanceCursor(o.Mailbox, o.Folder, o.UIDValidity, s.m.Previous, o.UID, at); err != nil {
		return Result{}, fmt.Errorf("advance cursor from %d to %d: %w", s.m.Previous, o.UID, err)
	}
	return r, nil
}

// repeated answers for a mail whose outcome is in the ledger already.
func repeated(tx *store.Tx, out ticket.Outcome) (Result, error) {
	r := Result{Disposition: out.Disposition, Digest: out.Message, Repeated: true}
	if out.Ticket.IsZero() {
		return r, nil
	}
	var err error
	if r.Ticket, err = tx.Ticket(out.Ticket); err != nil {
		return Result{}, fmt.Errorf("ticket %s of the ledger: %w", out.Ticket, err)
	}
	return r, nil
}

// duplicate answers for a mail that this mailbox holds already.
func duplicate(tx *store.Tx, f ticket.Filing, d ticket.Digest) (Result, error) {
	r := Result{Disposition: ticket.DispositionDuplicate, Digest: d, Repeated: true}
	if f.Ticket.IsZero() {
		return r, nil
	}
	var err error
	if r.Ticket, err = tx.Ticket(f.Ticket); err != nil {
		return Result{}, fmt.Errorf("ticket %s of the first copy: %w", f.Ticket, err)
	}
	return r, nil
}

// known returns the message as stored if the same mail came before: the same
// bytes, or the same content under the same Message-ID after another way
// through the net. Else an empty message.
func (p *Pipeline) known(tx *store.Tx, s *Staged) (ticket.Message, error) {
	m, err := tx.Message(s.digest)
	if errors.Is(err, store.ErrNotFound) && !s.content.IsZero() {
		m, err = tx.MessageByContent(s.content)
	}
	if errors.Is(err, store.ErrNotFound) {
		return ticket.Message{}, nil
	}
	if err != nil {
		return ticket.Message{}, fmt.Errorf("look for an earlier copy: %w", err)
	}
	return m, nil
}

// fileMessage files a mail that is new to its mailbox. Earlier is the same mail
// as filed in another mailbox, or empty.
func (p *Pipeline) fileMessage(tx *store.Tx, s *Staged, earlier ticket.Message) (Result, error) {
	msg, body := earlier, (*ticket.Body)(nil)
	if msg.Digest.IsZero() {
		msg = ticket.Message{Digest: s.digest, Content: s.content, Size: s.size, Mail: *s.mail}
		body = &s.body
	}
	f := ticket.Filing{
		Mailbox: s.m.Origin.Mailbox, ReceivedAt: s.receivedAt, StoredAt: p.o.Now(), Origin: s.m.Origin, Original: s.digest,
		Junk: s.m.Junk,
	}
	if e, ok := opened(earlier); ok && p.o.OneTicket {
		return p.share(tx, s, earlier, e, f)
	}
	verdict, err := p.thread(tx, s, earlier)
	if err != nil {
		return Result{}, err
	}
	f.Disposition, f.Reason = verdict.disposition, verdict.reason
	if verdict.join != nil {
		for _, e := range earlier.Filings {
			// An answer to all, met in the second mailbox: the ticket has it.
			if e.Ticket == verdict.join.Number {
				return duplicate(tx, e, earlier.Digest)
			}
		}
	}

	var (
		t      ticket.Ticket
		events []ticket.Event
	)
	switch {
	case verdict.join != nil:
		t, events = verdict.join.Join(s.mail, f, msg.Digest, s.classification)
	case verdict.open:
		n, err := tx.NextNumber(s.receivedAt.In(ticket.Bogota).Year())
		if err != nil {
			return Result{}, fmt.Errorf("next number: %w", err)
		}
		f.Ticket = n
		t, events = ticket.Open(ticket.Opening{
			Number: n, Mail: s.mail, Filing: f, Digest: msg.Digest, Classification: s.classification,
			Links: verdict.links, Review: verdict.review, ReceiptBy: verdict.receiptBy,
		}, p.o.Terms)
	}
	f.Ticket = t.Number
	r, err := put(tx, s, msg, body, f, t, events)
	if err != nil || t.Number.IsZero() {
		return r, err
	}
	for _, l := range verdict.links {
		if err := linkBack(tx, l, t); err != nil {
			return Result{}, err
		}
	}
	return r, nil
}

// put writes a filing and what it changes: the original, the ticket if it has
// one, and the message with its body, nil for one that is stored already.
func put(tx *store.Tx, s *Staged, msg ticket.Message, body *ticket.Body, f ticket.Filing, t ticket.Ticket, events []ticket.Event) (Result, error) {
	if err := tx.AttachBlob(s.blob); err != nil {
		return Result{}, fmt.Errorf("attach original: %w", err)
	}
	s.attached = true
	msg.Filings = append(msg.Filings[:len(msg.Filings):len(msg.Filings)], f)
	if !t.Number.IsZero() {
		if err := tx.PutTicket(&t, events...); err != nil {
			return Result{}, fmt.Errorf("put ticket %s: %w", t.Number, err)
		}
	}
	if err := tx.PutMessage(&msg, body); err != nil {
		return Result{}, fmt.Errorf("put message: %w", err)
	}
	return Result{Disposition: f.Disposition, Ticket: t, Digest: msg.Digest}, nil
}

// opened returns the filing by which a message opened its first ticket.
func opened(m ticket.Message) (ticket.Filing, bool) {
	for _, f := range m.Filings {
		if f.Disposition.Opens() && !f.Ticket.IsZero() {
			return f, true
		}
	}
	return ticket.Filing{}, false
}

// share files a mail in the ticket that it opened when it came to another
// mailbox. A refused mail stays refused: its source must leave it where it is.
func (p *Pipeline) share(tx *store.Tx, s *Staged, msg ticket.Message, first, f ticket.Filing) (Result, error) {
	t, err := tx.Ticket(first.Ticket)
	if err != nil {
		return Result{}, fmt.Errorf("ticket %s of the first copy: %w", first.Ticket, err)
	}
	f.Ticket, f.Disposition, f.Reason = t.Number, ticket.DispositionCopy, "the same mail came to "+first.Mailbox
	if s.m.TooLarge {
		f.Disposition = ticket.DispositionRefused
	}
	petitions := func(mailbox string) bool { return slices.Contains(p.o.Petitions, mailbox) }
	t, events := t.Share(f, msg.Digest, s.classification, petitions, p.o.Terms)
	return put(tx, s, msg, nil, f, t, events)
}

// linkBack links the other ticket to t.
func linkBack(tx *store.Tx, l ticket.Link, t ticket.Ticket) error {
	other, err := tx.Ticket(l.Number)
	if err != nil {
		return fmt.Errorf("linked ticket %s: %w", l.Number, err)
	}
	other, events := other.Link(ticket.Link{Number: t.Number, Kind: l.Kind}, t.UpdatedAt)
	if len(events) == 0 {
		return nil
	}
	if err := tx.PutTicket(&other, events...); err != nil {
		return fmt.Errorf("link ticket %s back: %w", l.Number, err)
	}
	return nil
}

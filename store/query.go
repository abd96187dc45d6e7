package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"radicado/ticket"
)

const (
	defaultLimit = 100
	// viewRecords and viewKeys bound what one View reads.
	viewRecords = 500
	viewKeys    = 50_000
)

// Sort is the order of tickets.
type Sort int

// The orders.
const (
	SortQueue  Sort = iota // open before closed, then by priority, due and number
	SortDue                // by due and number
	SortNumber             // newest first

	sortNumberUp // oldest first, for Each
)

// Filter says which tickets are wanted. Empty fields take all; within a list
// any value will do, and all fields must agree.
type Filter struct {
	Status      []ticket.Status
	Type        []ticket.Type
	Priority    []ticket.Priority
	Mailbox     string    // tickets of its desk, and those whose first mail came to it too
	Assignee    *string   // "" is nobody's
	DueBefore   time.Time // zero: any
	Review      *bool
	Quarantined *bool
	Text        string // substring of number, subject, customer's name or address; accents and case do not matter
	Sort        Sort
	Limit       int    // 0: 100; -1: all
	After       string // Page.Next of the page before, with the same Sort
}

// Page is a part of the tickets that a filter finds.
type Page struct {
	Tickets []ticket.Ticket // not nil
	// Next continues behind the last ticket, "" at the end. It names a place
	// in the order, so it stays good when tickets come, go or move.
	Next string
}

// Tickets returns the tickets that f finds. Several short transactions may be
// used, so a ticket that moves in the order meanwhile can be missed; none comes
// twice.
func (s *Store) Tickets(ctx context.Context, f Filter) (Page, error) {
	page := Page{Tickets: []ticket.Ticket{}}
	limit := pageLimit(f.Limit)
	seen := map[ticket.Number]bool{}
	var last []byte
	err := s.scan(ctx, f, limit, func(place []byte, t ticket.Ticket) bool {
		if seen[t.Number] {
			return true
		}
		if len(page.Tickets) == limit {
			page.Next = encodePlace(f.Sort, last)
			return false
		}
		seen[t.Number] = true
		page.Tickets = append(page.Tickets, t)
		last = place
		return true
	})
	if err != nil {
		return Page{}, fmt.Errorf("find tickets: %w", err)
	}
	return page, nil
}

// scan calls fn for the tickets that f finds behind f.After, in order, until
// fn returns false, which it is expected to do after limit tickets.
func (s *Store) scan(ctx context.Context, f Filter, limit int, fn func(place []byte, t ticket.Ticket) bool) error {
	after, err := decodePlace(f.Sort, f.After)
	if err != nil {
		return err
	}
	m := newMatcher(f)
	var p *plan
	type found struct {
		place []byte
		t     ticket.Ticket
	}
	// One more tells whether there is a next page.
	most := viewRecords
	if limit < viewRecords {
		most = limit + 1
	}
	for more := true; more; {
		var batch []found
		err := s.View(ctx, func(tx *Tx) error {
			if p == nil {
				var err error
				if p, err = tx.plan(f); err != nil {
					return err
				}
			}
			w := p.walk(tx, after)
			keys := 0
			for more = true; len(batch) < most && keys < viewKeys; keys++ {
				place, ok := w()
				if !ok {
					more = false
					break
				}
				after = place
				if m.beyond(f.Sort, place) {
					more = false
					break
				}
				n, wanted := m.place(f.Sort, place)
				if !wanted || m.text != nil && !bytes.Contains(tx.get(indexText, n), m.text) {
					continue
				}
				t, err := decode[ticket.Ticket](tx.get(bucketTickets, n))
				if err != nil {
					return fmt.Errorf("ticket %x: %w", n, err)
				}
				if m.ticket(&t) {
					batch = append(batch, found{place, t})
				} else {
					keys += viewKeys / viewRecords / 5 // decoding costs as much as many keys
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range batch {
			if !fn(f.place, f.t) {
				return nil
			}
		}
	}
	return nil
}

// Detail returns a ticket with its thread and history, or [ErrNotFound].
func (s *Store) Detail(ctx context.Context, n ticket.Number) (ticket.Detail, error) {
	d, err := s.detail(ctx, n)
	if err != nil {
		return ticket.Detail{}, fmt.Errorf("detail: %w", err)
	}
	return d, nil
}

func (s *Store) detail(ctx context.Context, n ticket.Number) (ticket.Detail, error) {
	var (
		t        ticket.Ticket
		events   []ticket.Event
		digests  []ticket.Digest
		messages []ticket.Message
		bodies   [][]byte
	)
	err := s.View(ctx, func(tx *Tx) (err error) {
		if t, err = tx.Ticket(n); err != nil {
			return err
		}
		if events, err = tx.Events(n); err != nil {
			return err
		}
		digests, err = tx.thread(n)
		return err
	})
	if err != nil {
		return ticket.Detail{}, err
	}
	for part := range slices.Chunk(digests, viewRecords) {
		err := s.View(ctx, func(tx *Tx) error {
			for _, d := range part {
				m, err := tx.Message(d)
				if err != nil {
					return err
				}
				messages = append(messages, m)
				bodies = append(bodies, bytes.Clone(tx.get(bucketBodies, d[:])))
			}
			return nil
		})
		if err != nil {
			return ticket.Detail{}, fmt.Errorf("thread of ticket %s: %w", n, err)
		}
	}
	texts := make([]ticket.Body, len(bodies))
	for i, b := range bodies {
		if texts[i], err = decodeBody(b); err != nil {
			return ticket.Detail{}, fmt.Errorf("text of message %s: %w", digests[i], err)
		}
	}
	return t.Detail(messages, texts, events), nil
}

// Each calls fn for each ticket that f finds, in the order of numbers and
// outside any transaction; f's Sort, Limit and After do not count. It ends with
// the first error of fn.
func (s *Store) Each(ctx context.Context, f Filter, fn func(ticket.Detail) error) error {
	f.Sort, f.Limit, f.After = sortNumberUp, -1, ""
	var failed error
	err := s.scan(ctx, f, viewRecords, func(_ []byte, t ticket.Ticket) bool {
		d, err := s.detail(ctx, t.Number)
		if err == nil {
			err = fn(d)
		}
		failed = err
		return err == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("each ticket: %w", err)
	}
	return nil
}

// A place is the key of a ticket in the index of its order. Its length tells
// which order it belongs to, and the token's first byte says so too.

func placeLen(sort Sort) int {
	switch sort {
	case SortQueue:
		return orderLen
	case SortDue:
		return timeLen + numberLen
	}
	return numberLen
}

func encodePlace(sort Sort, place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(sort)}, place...))
}

func decodePlace(sort Sort, token string) ([]byte, error) {
	if sort < SortQueue || sort > sortNumberUp {
		return nil, fmt.Errorf("sort %d: unknown", sort)
	}
	if token == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 1+placeLen(sort) || b[0] != byte(sort) {
		return nil, fmt.Errorf("position %q: not one of this order", token[:min(len(token), 64)])
	}
	return b[1:], nil
}

// matcher is a filter ready to be asked.
type matcher struct {
	f      Filter
	text   []byte // folded; nil for none
	before []byte // DueBefore as in keys; nil for none
	closed [2]bool
}

func newMatcher(f Filter) *matcher {
	m := &matcher{f: f}
	if f.Text != "" {
		m.text = bytes.ReplaceAll([]byte(fold(f.Text)), []byte("\n"), []byte(" "))
	}
	if !f.DueBefore.IsZero() {
		m.before = appendTime(nil, f.DueBefore)
	}
	for _, s := range f.Status {
		m.closed[closedByte(s)] = true
	}
	if len(f.Status) == 0 {
		m.closed = [2]bool{true, true}
	}
	return m
}

// place answers from the key alone what it can, and returns the number's key.
func (m *matcher) place(sort Sort, place []byte) (number []byte, wanted bool) {
	number = place[len(place)-numberLen:]
	if sort == SortQueue {
		if !m.closed[min(place[0], 1)] {
			return number, false
		}
		if len(m.f.Priority) > 0 && !slices.ContainsFunc(m.f.Priority, func(p ticket.Priority) bool { return priorityByte(p) == place[1] }) {
			return number, false
		}
		return number, m.before == nil || bytes.Compare(place[2:2+timeLen], m.before) < 0
	}
	return number, true
}

// beyond reports whether neither this place nor any behind it is wanted.
func (m *matcher) beyond(sort Sort, place []byte) bool {
	return sort == SortDue && m.before != nil && bytes.Compare(place[:timeLen], m.before) >= 0
}

// ticket decides; Text has been decided from the text index.
func (m *matcher) ticket(t *ticket.Ticket) bool {
	f := &m.f
	return (len(f.Status) == 0 || slices.Contains(f.Status, t.Status)) &&
		(len(f.Type) == 0 || slices.Contains(f.Type, t.Type)) &&
		(len(f.Priority) == 0 || slices.Contains(f.Priority, t.Priority)) &&
		(f.Mailbox == "" || f.Mailbox == t.Mailbox || slices.Contains(t.AlsoIn, f.Mailbox)) &&
		(f.Assignee == nil || *f.Assignee == t.Assignee) &&
		(f.DueBefore.IsZero() || t.Due.Before(f.DueBefore)) &&
		(f.Review == nil || *f.Review == t.Review) &&
		(f.Quarantined == nil || *f.Quarantined == (t.Quarantine != ""))
}

package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"radicado/store"
	"radicado/ticket"
)

func testEmpty(t *testing.T, s *store.Store) {
	page, err := s.Tickets(context.Background(), store.Filter{})
	if err != nil || page.Tickets == nil || len(page.Tickets) != 0 || page.Next != "" {
		t.Errorf("tickets of an empty store: %+v, %v", page, err)
	}
	unfiled, err := s.Unfiled(context.Background(), 0)
	if err != nil || unfiled == nil || len(unfiled) != 0 {
		t.Errorf("unfiled of an empty store: %v, %v", unfiled, err)
	}
	_, err = s.Detail(context.Background(), number(1))
	wantErr(t, "detail", err, store.ErrNotFound)
	_, err = s.OpenBlob(ticket.Digest{1})
	wantErr(t, "blob", err, store.ErrNotFound)
	view(t, s, func(tx *store.Tx) error {
		_, err := tx.Ticket(number(1))
		wantErr(t, "ticket", err, store.ErrNotFound)
		_, err = tx.Message(ticket.Digest{1})
		wantErr(t, "message", err, store.ErrNotFound)
		_, err = tx.Body(ticket.Digest{1})
		wantErr(t, "body", err, store.ErrNotFound)
		_, err = tx.MessageByContent(ticket.Digest{1})
		wantErr(t, "content", err, store.ErrNotFound)
		_, err = tx.Outcome(mailboxOrigin(1))
		wantErr(t, "outcome", err, store.ErrNotFound)
		c, err := tx.Cursor("soporte", "INBOX")
		if err != nil || c != (ticket.Cursor{}) {
			t.Errorf("cursor: %+v, %v", c, err)
		}
		events, err := tx.Events(number(1))
		if err != nil || len(events) > 0 {
			t.Errorf("events: %v, %v", events, err)
		}
		return nil
	})
	st := stats(t, s)
	if st.Tickets != 0 || st.Messages != 0 || st.ByMailbox == nil || st.ByDisposition == nil || st.ByType == nil || st.ByPriority == nil || st.ByStatus == nil {
		t.Errorf("stats: %+v", st)
	}
}

func testNumbers(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		for _, want := range []ticket.Number{number(1), number(2), {Year: 2027, Seq: 1}, number(3)} {
			n, err := tx.NextNumber(want.Year)
			if err != nil {
				return err
			}
			equal(t, "number", n, want)
			tk := sampleTicket(n)
			if err := tx.PutTicket(&tk); err != nil {
				return err
			}
		}
		for _, year := range []int{0, -1, 10000} {
			if _, err := tx.NextNumber(year); err == nil {
				t.Errorf("year %d: no error", year)
			}
		}
		return nil
	})
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		tk := sampleTicket(number(9))
		return tx.PutTicket(&tk)
	})
	if err == nil {
		t.Error("a ticket was put under a number never given out")
	}
}

func testNumberMustBeUsed(t *testing.T, s *store.Store) {
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.NextNumber(2026)
		return err
	})
	if err == nil {
		t.Error("a number was given out for nothing")
	}
	equal(t, "number after that", newTicket(t, s, nil).Number, number(1))
}

func testTicket(t *testing.T, s *store.Store) {
	tk := newTicket(t, s, nil)
	get := func() (got ticket.Ticket) {
		view(t, s, func(tx *store.Tx) (err error) { got, err = tx.Ticket(tk.Number); return err })
		return got
	}
	equal(t, "ticket", get(), tk)
	closed := t0.Add(time.Hour)
	tk.Status, tk.ClosedAt, tk.Assignee, tk.Review, tk.Quarantine = ticket.Resuelto, &closed, "lina", true, "damaged"
	tk.Priority, tk.Type = ticket.Alta, ticket.Queja
	tk.Links = []ticket.Link{{Number: number(7), Kind: ticket.LinkClaimed}}
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&tk) })
	equal(t, "replaced ticket", get(), tk)
	tk.Review, tk.Quarantine = false, ""
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&tk) })
	equal(t, "ticket without flags", get(), tk)
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		long := tk
		long.Assignee = strings.Repeat("a", 40_000)
		return tx.PutTicket(&long)
	})
	if err == nil {
		t.Error("an assignee too long for a key was taken")
	}
	equal(t, "ticket after a refused put", get(), tk)
}

func testEvents(t *testing.T, s *store.Store) {
	tk := newTicket(t, s, nil)
	other := newTicket(t, s, nil)
	event := func(reason string) ticket.Event {
		return ticket.Event{At: t0, Actor: ticket.Actor{Kind: ticket.ActorLead, Name: "lina"}, Kind: ticket.EventStatus, Reason: reason}
	}
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&tk, event("a"), event("b")) })
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&other, event("x")) })
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&tk, event("c")) })
	want := []ticket.Event{event("a"), event("b"), event("c")}
	for i := range want {
		want[i].Seq = uint64(i + 1)
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Events(tk.Number)
		equal(t, "events", got, want)
		return err
	})
}

func filing(mailbox string, d ticket.Disposition, n ticket.Number) ticket.Filing {
	return ticket.Filing{Mailbox: mailbox, Disposition: d, Ticket: n, ReceivedAt: t0, StoredAt: t0, Reason: "test"}
}

func testMessage(t *testing.T, s *store.Store) {
	tk := newTicket(t, s, nil)
	m := file(t, s, "a@example.org", filing("soporte", ticket.DispositionNew, tk.Number))
	if m.Mail.Text == "" {
		t.Error("PutMessage changed its argument")
	}
	wantBody := ticket.Body{Text: m.Mail.Text, HTML: m.Mail.HTML, NewText: m.Mail.NewText}
	reply := file(t, s, "b@example.org", filing("soporte", ticket.DispositionReply, tk.Number))
	check := func() {
		t.Helper()
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Message(m.Digest)
			equal(t, "message", got, stored(m))
			body, err2 := tx.Body(m.Digest)
			equal(t, "body", body, wantBody)
			thread, err3 := tx.Messages(tk.Number)
			equal(t, "thread", thread, []ticket.Message{stored(m), stored(reply)})
			return errors.Join(err, err2, err3)
		})
	}
	check()
	// A replace without body keeps the text, and the place in the thread.
	m.Mail.Language = "es"
	update(t, s, func(tx *store.Tx) error { return tx.PutMessage(m, nil) })
	check()
	wantBody.NewText = "otro"
	update(t, s, func(tx *store.Tx) error { return tx.PutMessage(m, &wantBody) })
	check()
	for what, bad := range map[string]ticket.Message{
		"no digest": {},
		"two filings in one mailbox": {Digest: ticket.Digest{1}, Filings: []ticket.Filing{
			filing("soporte", ticket.DispositionNew, tk.Number), filing("soporte", ticket.DispositionReply, tk.Number)}},
	} {
		if s.Update(context.Background(), func(tx *store.Tx) error { return tx.PutMessage(&bad, nil) }) == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func testTwoMailboxes(t *testing.T, s *store.Store) {
	a := newTicket(t, s, nil)
	b := newTicket(t, s, func(tk *ticket.Ticket) { tk.Mailbox = "pqrsa" })
	m := file(t, s, "a@example.org", filing("soporte", ticket.DispositionNew, a.Number))
	m.Filings = append(m.Filings, filing("pqrsa", ticket.DispositionNew, b.Number))
	update(t, s, func(tx *store.Tx) error { return tx.PutMessage(m, nil) })
	// A reply that both mailboxes got and that joined one ticket is there once.
	both := file(t, s, "b@example.org", filing("soporte", ticket.DispositionReply, a.Number), filing("pqrsa", ticket.DispositionReply, a.Number))
	view(t, s, func(tx *store.Tx) error {
		thread, err := tx.Messages(a.Number)
		equal(t, "thread of the first", thread, []ticket.Message{stored(m), stored(both)})
		thread, err2 := tx.Messages(b.Number)
		equal(t, "thread of the second", thread, []ticket.Message{stored(m)})
		return errors.Join(err, err2)
	})
	st := stats(t, s)
	equal(t, "messages", st.Messages, 2)
	equal(t, "by mailbox", st.ByMailbox, map[string]store.MailboxStats{"soporte": {Messages: 2, Tickets: 1}, "pqrsa": {Messages: 2, Tickets: 1}})
	equal(t, "by disposition", st.ByDisposition, map[ticket.Disposition]int{ticket.DispositionNew: 2, ticket.DispositionReply: 2})
}

func testMessageIDs(t *testing.T, s *store.Store) {
	longID := strings.Repeat("x", 100_000) + "@example.org"
	first := file(t, s, longID)
	for range 3 {
		file(t, s, "other@example.org")
	}
	var same []ticket.Message
	for i := range 60 {
		m, body, blob := sampleMessage(t, s, strings.Repeat("z", i+1)) // another original each
		m.Mail.MessageID = "same@example.org"
		update(t, s, func(tx *store.Tx) error { return errors.Join(tx.AttachBlob(blob), tx.PutMessage(m, body)) })
		same = append(same, stored(m))
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.MessagesByID(longID)
		equal(t, "by a huge id", got, []ticket.Message{stored(first)})
		got, err2 := tx.MessagesByID("same@example.org")
		equal(t, "by a common id", got, same[:50])
		none, err3 := tx.MessagesByID("")
		if len(none) > 0 {
			t.Error("the empty id found something")
		}
		return errors.Join(err, err2, err3)
	})
}

func testContent(t *testing.T, s *store.Store) {
	m := file(t, s, "a@example.org")
	later, body, blob := sampleMessage(t, s, "b@example.org")
	later.Content = m.Content
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.AttachBlob(blob), tx.PutMessage(later, body)) })
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.MessageByContent(m.Content)
		equal(t, "by content", got, stored(m))
		return err
	})
}

func testUnfiled(t *testing.T, s *store.Store) {
	tk := newTicket(t, s, nil)
	var want []ticket.Message
	for _, id := range []string{"a", "b", "c"} {
		want = append([]ticket.Message{stored(file(t, s, id, filing("soporte", ticket.DispositionBulk, ticket.Number{})))}, want...)
	}
	filed := file(t, s, "d", filing("soporte", ticket.DispositionReply, tk.Number))
	unfiled := func(limit int) []ticket.Message {
		got, err := s.Unfiled(context.Background(), limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	equal(t, "unfiled", unfiled(0), want)
	equal(t, "the newest two", unfiled(2), want[:2])
	equal(t, "all", unfiled(-1), want)
	// Filed after all, it leaves the list.
	m := want[0]
	m.Filings = []ticket.Filing{filing("soporte", ticket.DispositionReply, tk.Number)}
	update(t, s, func(tx *store.Tx) error { return tx.PutMessage(&m, nil) })
	equal(t, "unfiled after one was filed", unfiled(0), want[1:])
	view(t, s, func(tx *store.Tx) error {
		thread, err := tx.Messages(tk.Number)
		equal(t, "thread", thread, []ticket.Message{m, stored(filed)}) // it arrived before
		return err
	})
}

func testHostileMessage(t *testing.T, s *store.Store) {
	m, _, blob := sampleMessage(t, s, "a@example.org")
	far := time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	odd := t0.In(time.FixedZone("", 99*60*60))
	m.Mail.Date, m.Mail.Received = &far, &odd
	m.Mail.Subject = "bad \xff bytes"
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.AttachBlob(blob), tx.PutMessage(m, nil)) })
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Message(m.Digest)
		if got.Mail.Date != nil || got.Mail.Received == nil || !got.Mail.Received.Equal(t0) {
			t.Errorf("dates: %v, %v", got.Mail.Date, got.Mail.Received)
		}
		body, err2 := tx.Body(m.Digest)
		equal(t, "text out of the mail", body.Text, m.Mail.Text)
		return errors.Join(err, err2)
	})
}

func testLedger(t *testing.T, s *store.Store) {
	m := file(t, s, "a@example.org", filing("soporte", ticket.DispositionBulk, ticket.Number{}))
	bulk := ticket.Outcome{Disposition: ticket.DispositionBulk, Digest: m.Digest, At: t0}
	dup := ticket.Outcome{Disposition: ticket.DispositionDuplicate, Digest: m.Digest, At: t0}
	fromFile := ticket.Origin{Mailbox: "soporte", Path: "a.mbox#2"}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.PutOutcome(mailboxOrigin(1), bulk), tx.PutOutcome(mailboxOrigin(2), dup), tx.PutOutcome(fromFile, dup))
	})
	for o, want := range map[ticket.Origin]ticket.Outcome{mailboxOrigin(1): bulk, mailboxOrigin(2): dup, fromFile: dup} {
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Outcome(o)
			equal(t, o.String(), got, want)
			return err
		})
	}
	if s.Update(context.Background(), func(tx *store.Tx) error { return tx.PutOutcome(mailboxOrigin(1), dup) }) == nil {
		t.Error("an outcome was overwritten")
	}
	if s.Update(context.Background(), func(tx *store.Tx) error { return tx.PutOutcome(ticket.Origin{}, dup) }) == nil {
		t.Error("an outcome of nothing was taken")
	}
	view(t, s, func(tx *store.Tx) error {
		other := mailboxOrigin(1)
		other.UIDValidity++
		_, err := tx.Outcome(other)
		wantErr(t, "outcome under another uidvalidity", err, store.ErrNotFound)
		return nil
	})
	equal(t, "by disposition", stats(t, s).ByDisposition, map[ticket.Disposition]int{ticket.DispositionBulk: 1, ticket.DispositionDuplicate: 2})
}

func testCursor(t *testing.T, s *store.Store) {
	for _, step := range []struct {
		validity      uint32
		previous, uid ticket.UID
		ok            bool
	}{
		{7, 5, 6, false}, // never taken: begins at 0
		{7, 0, 3, true},
		{7, 0, 4, false},
		{7, 2, 4, false},
		{7, 3, 3, false},
		{7, 3, 2, false},
		{7, 3, 9, true},
		{8, 9, 10, false}, // begins anew
		{8, 0, 1, true},
		{7, 9, 10, false},
		{8, 1, 2, true},
	} {
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			return tx.AdvanceCursor("soporte", "INBOX", step.validity, step.previous, step.uid, t0)
		})
		if (err == nil) != step.ok || err != nil && !errors.Is(err, store.ErrOutOfOrder) {
			t.Errorf("%+v: %v", step, err)
		}
	}
	view(t, s, func(tx *store.Tx) error {
		c, err := tx.Cursor("soporte", "INBOX")
		equal(t, "cursor", c, ticket.Cursor{UIDValidity: 8, Last: 2, At: t0})
		other, err2 := tx.Cursor("soporte", "INBOX/a")
		equal(t, "another folder's", other, ticket.Cursor{})
		return errors.Join(err, err2)
	})
}

func testStats(t *testing.T, s *store.Store) {
	a := newTicket(t, s, nil)
	b := newTicket(t, s, func(tk *ticket.Ticket) {
		tk.Mailbox, tk.Type, tk.Priority, tk.Review = "pqrsa", ticket.Queja, ticket.Alta, true
	})
	file(t, s, "a", filing("soporte", ticket.DispositionNew, a.Number))
	file(t, s, "b", filing("pqrsa", ticket.DispositionQuarantined, b.Number))
	b.Status, b.Quarantine = ticket.Cerrado, "cut"
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&b) })
	equal(t, "stats", stats(t, s), store.Stats{
		Messages: 2, Tickets: 2, Quarantined: 1, Review: 1, Open: 1,
		ByMailbox:     map[string]store.MailboxStats{"soporte": {Messages: 1, Tickets: 1}, "pqrsa": {Messages: 1, Tickets: 1}},
		ByDisposition: map[ticket.Disposition]int{ticket.DispositionNew: 1, ticket.DispositionQuarantined: 1},
		ByType:        map[ticket.Type]int{ticket.Incidente: 1, ticket.Queja: 1},
		ByPriority:    map[string]int{"2": 1, "3": 1},
		ByStatus:      map[ticket.Status]int{ticket.Nuevo: 1, ticket.Cerrado: 1},
	})
}

package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"radicado/store"
	"radicado/ticket"
)

func find(t testing.TB, s *store.Store, f store.Filter) []ticket.Number {
	t.Helper()
	page, err := s.Tickets(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	numbers := []ticket.Number{}
	for _, tk := range page.Tickets {
		numbers = append(numbers, tk.Number)
	}
	return numbers
}

func testFilters(t *testing.T, s *store.Store) {
	newTicket(t, s, func(tk *ticket.Ticket) { tk.Due = t0.Add(2 * time.Hour) })                               // 1
	newTicket(t, s, func(tk *ticket.Ticket) { tk.Due = t0.Add(time.Hour) })                                   // 2
	newTicket(t, s, func(tk *ticket.Ticket) { tk.Priority = ticket.Critica; tk.Due = t0.Add(3 * time.Hour) }) // 3
	newTicket(t, s, func(tk *ticket.Ticket) { tk.Priority, tk.Status = ticket.Critica, ticket.Cerrado; tk.Due = t0 })
	newTicket(t, s, func(tk *ticket.Ticket) {
		tk.Mailbox, tk.Type, tk.Assignee, tk.Review, tk.Due = "pqrsa", ticket.Queja, "lina", true, t0.Add(2*time.Hour)
		tk.Subject, tk.Quarantine = "Queja por atención", "cut"
	}) // 5
	yes, no, lina, nobody := true, false, "lina", ""
	numbers := func(seqs ...uint32) []ticket.Number {
		out := []ticket.Number{}
		for _, q := range seqs {
			out = append(out, number(q))
		}
		return out
	}
	for name, tc := range map[string]struct {
		f    store.Filter
		want []ticket.Number
	}{
		"queue":           {store.Filter{}, numbers(3, 2, 1, 5, 4)},
		"by due":          {store.Filter{Sort: store.SortDue}, numbers(4, 2, 1, 5, 3)},
		"by number":       {store.Filter{Sort: store.SortNumber}, numbers(5, 4, 3, 2, 1)},
		"status":          {store.Filter{Status: []ticket.Status{ticket.Cerrado}}, numbers(4)},
		"two statuses":    {store.Filter{Status: []ticket.Status{ticket.Cerrado, ticket.Nuevo, ticket.Nuevo}}, numbers(3, 2, 1, 5, 4)},
		"type":            {store.Filter{Type: []ticket.Type{ticket.Queja}}, numbers(5)},
		"priority":        {store.Filter{Priority: []ticket.Priority{ticket.Critica}}, numbers(3, 4)},
		"priority by due": {store.Filter{Priority: []ticket.Priority{ticket.Critica}, Sort: store.SortDue}, numbers(4, 3)},
		"priority, no.":   {store.Filter{Priority: []ticket.Priority{ticket.Critica}, Sort: store.SortNumber}, numbers(4, 3)},
		"mailbox":         {store.Filter{Mailbox: "pqrsa"}, numbers(5)},
		"assignee":        {store.Filter{Assignee: &lina}, numbers(5)},
		"nobody's":        {store.Filter{Assignee: &nobody}, numbers(3, 2, 1, 4)},
		"due before":      {store.Filter{DueBefore: t0.Add(2 * time.Hour)}, numbers(2, 4)},
		"due, by due":     {store.Filter{DueBefore: t0.Add(2 * time.Hour), Sort: store.SortDue}, numbers(4, 2)},
		"review":          {store.Filter{Review: &yes}, numbers(5)},
		"no review":       {store.Filter{Review: &no}, numbers(3, 2, 1, 4)},
		"quarantined":     {store.Filter{Quarantined: &yes}, numbers(5)},
		"text":            {store.Filter{Text: "ATENCION"}, numbers(5)},
		"text of a name":  {store.Filter{Text: "josé muñ", Status: []ticket.Status{ticket.Cerrado}}, numbers(4)},
		"number":          {store.Filter{Text: "2026-000003"}, numbers(3)},
		"nothing":         {store.Filter{Text: "atencion", Mailbox: "soporte"}, numbers()},
	} {
		equal(t, name, find(t, s, tc.f), tc.want)
	}
}

func testPaging(t *testing.T, s *store.Store) {
	for range 7 {
		newTicket(t, s, nil)
	}
	page, err := s.Tickets(context.Background(), store.Filter{Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	last := page.Tickets[2]
	equal(t, "first page", last.Number, number(3))
	// The ticket at the page's end leaves its place, another comes before it.
	last.Priority = ticket.Baja
	update(t, s, func(tx *store.Tx) error { return tx.PutTicket(&last) })
	newTicket(t, s, func(tk *ticket.Ticket) { tk.Priority = ticket.Critica })
	equal(t, "second page", find(t, s, store.Filter{Limit: 3, After: page.Next}), []ticket.Number{number(4), number(5), number(6)})
	equal(t, "the rest", find(t, s, store.Filter{After: page.Next}), []ticket.Number{number(4), number(5), number(6), number(7), number(3)})
	for what, f := range map[string]store.Filter{
		"another order's": {Sort: store.SortDue, After: page.Next},
		"no base64":       {After: "%%%"},
		"too short":       {After: page.Next[:8]},
		"huge":            {After: strings.Repeat("A", 1<<20)},
		"unknown order":   {Sort: 99},
		"negative order":  {Sort: -1},
	} {
		if _, err := s.Tickets(context.Background(), f); err == nil {
			t.Errorf("position that is %s: no error", what)
		} else if len(err.Error()) > 500 {
			t.Errorf("position that is %s: error of %d bytes", what, len(err.Error()))
		}
	}
	exact, err := s.Tickets(context.Background(), store.Filter{Limit: 8})
	if err != nil || len(exact.Tickets) != 8 || exact.Next != "" {
		t.Errorf("page that holds just all: %d tickets, next %q, %v", len(exact.Tickets), exact.Next, err)
	}
}

// testManyViews asks for more than one read transaction gives.
func testManyViews(t *testing.T, s *store.Store) {
	const n = 1300
	tk := newTicket(t, s, nil)
	update(t, s, func(tx *store.Tx) error {
		for range n - 1 {
			no, err := tx.NextNumber(2026)
			if err != nil {
				return err
			}
			tk := tk
			tk.Number, tk.Due = no, t0.Add(time.Duration(no.Seq*7919%n)*time.Minute)
			if err := tx.PutTicket(&tk); err != nil {
				return err
			}
		}
		return nil
	})
	for what, f := range map[string]store.Filter{
		"queue": {}, "due": {Sort: store.SortDue}, "number": {Sort: store.SortNumber}, "text": {Text: "aplicacion"},
		"mailbox by due": {Mailbox: "soporte", Sort: store.SortDue}, "due before": {DueBefore: t0.AddDate(1, 0, 0), Sort: store.SortDue},
	} {
		f.Limit = -1
		page, err := s.Tickets(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, what+": next", page.Next, "")
		equal(t, what+": tickets", len(page.Tickets), n)
		for i := range page.Tickets[1:] {
			a, b := page.Tickets[i], page.Tickets[i+1]
			if ordered := a.Due.Compare(b.Due) <= 0; f.Sort != store.SortNumber && !ordered || f.Sort == store.SortNumber && a.Number.Compare(b.Number) <= 0 {
				t.Fatalf("%s: %s before %s", what, a.Number, b.Number)
			}
		}
		f.Limit = 499
		var paged []ticket.Number
		for {
			page, err := s.Tickets(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, tk := range page.Tickets {
				paged = append(paged, tk.Number)
			}
			if f.After = page.Next; f.After == "" {
				break
			}
		}
		f.After, f.Limit = "", -1
		equal(t, what+": in pages", paged, find(t, s, f))
	}
	f := store.Filter{Text: "nowhere"}
	equal(t, "none", find(t, s, f), []ticket.Number{})
	i := uint32(0)
	err := s.Each(context.Background(), store.Filter{}, func(d ticket.Detail) error {
		i++
		if d.Number != number(i) {
			t.Fatalf("ticket %s, want %s", d.Number, number(i))
		}
		return nil
	})
	if err != nil || i != n {
		t.Errorf("%d tickets: %v", i, err)
	}
}

func testDetail(t *testing.T, s *store.Store) {
	tk := newTicket(t, s, func(tk *ticket.Ticket) { tk.Participants, tk.Classification.Reasons = nil, nil })
	empty, err := s.Detail(context.Background(), tk.Number)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(empty)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"links", "participants", "thread", "events"} {
		equal(t, name, string(fields[name]), "[]")
	}
	if !strings.Contains(string(fields["classification"]), `"reasons":[]`) {
		t.Errorf("classification: %s", fields["classification"])
	}
	m := file(t, s, "a", filing("soporte", ticket.DispositionNew, tk.Number))
	update(t, s, func(tx *store.Tx) error {
		return tx.PutTicket(&tk, ticket.Event{At: t0, Kind: ticket.EventOpened, Message: &m.Digest})
	})
	d, err := s.Detail(context.Background(), tk.Number)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Thread) != 1 || len(d.Events) != 1 {
		t.Fatalf("thread of %d, %d events", len(d.Thread), len(d.Events))
	}
	equal(t, "text", d.Thread[0].Mail.Text, m.Mail.Text)
	equal(t, "html", d.Thread[0].Mail.HTML, m.Mail.HTML)
	equal(t, "disposition", d.Thread[0].Disposition, ticket.DispositionNew)
	equal(t, "message of the event", *d.Events[0].Message, m.Digest)
}

func testEach(t *testing.T, s *store.Store) {
	for range 5 {
		newTicket(t, s, nil)
	}
	newTicket(t, s, func(tk *ticket.Ticket) { tk.Mailbox = "pqrsa" })
	var got []ticket.Number
	// fn is outside any transaction, so it may write.
	err := s.Each(context.Background(), store.Filter{Mailbox: "soporte", Limit: 1}, func(d ticket.Detail) error {
		got = append(got, d.Number)
		tk := d.Ticket
		tk.Assignee = "lina"
		return s.Update(context.Background(), func(tx *store.Tx) error { return tx.PutTicket(&tk) })
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tickets", got, []ticket.Number{number(1), number(2), number(3), number(4), number(5)})
	stop := errors.New("stop")
	n := 0
	err = s.Each(context.Background(), store.Filter{}, func(ticket.Detail) error { n++; return stop })
	wantErr(t, "each", err, stop)
	equal(t, "calls", n, 1)
}

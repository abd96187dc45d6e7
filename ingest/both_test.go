package ingest_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"radicado/calendar"
	"radicado/ingest"
	"radicado/store"
	"radicado/ticket"
)

// newDesk is a fixture with the desk's hours, in either mode of same mail.
func newDesk(t testing.TB, oneTicket bool) fixture {
	t.Helper()
	f := newFixture(t)
	f.Pipeline = bothPipeline(t, f.store, f.now, oneTicket)
	return f
}

func bothPipeline(t testing.TB, s *store.Store, now *time.Time, oneTicket bool) *ingest.Pipeline {
	t.Helper()
	c, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	cal, err := calendar.New(calendar.Options{Desks: map[string]calendar.Desk{"pqrsa": calendar.DeskPQRSA()}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ingest.New(ingest.Options{Store: s, Classifier: c, Terms: cal.Deadline, OneTicket: oneTicket,
		Petitions: []string{"pqrsa"}, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var bothMails = map[string]string{
	"incident": first,
	"petition": letter("En ejercicio del derecho de petición solicito copia de los documentos de mi contrato.",
		"Message-ID: <peticion@cliente.example.org>", "From: Ana <ana@cliente.example.org>", "To: soporte@example.com", "Cc: pqrsa@example.com",
		"Date: Fri, 10 Jul 2026 09:00:00 -0500", "Subject: Derecho de petición"),
}

// TestOneTicketForBothMailboxes takes each mail in both orders, after the hours
// of the petitions desk: owner, type, priority and due must not depend on it.
func TestOneTicketForBothMailboxes(t *testing.T) {
	for name, owner := range map[string]string{"incident": "soporte", "petition": "pqrsa"} {
		raw := bothMails[name]
		var seen []ticket.Ticket
		for _, order := range [][]string{{"soporte", "pqrsa"}, {"pqrsa", "soporte"}} {
			f := newDesk(t, true)
			*f.now = time.Date(2026, 7, 10, 23, 0, 0, 0, time.UTC)
			one := f.file(t, order[0], "Delivered-To: a@example.com\r\n"+raw)
			two := f.file(t, order[1], "Received: from x by y; Fri, 10 Jul 2026 18:00:01 -0500\r\n"+raw)
			if one.Disposition != ticket.DispositionNew || two.Disposition != ticket.DispositionCopy || two.Repeated ||
				two.Ticket.Number != one.Ticket.Number || two.Digest != one.Digest {
				t.Fatalf("%s %v: %s %s, then %s %s", name, order, one.Disposition, one.Ticket.Number, two.Disposition, two.Ticket.Number)
			}
			if two.Ticket.Mailbox != owner || len(two.Ticket.AlsoIn) != 1 {
				t.Errorf("%s %v: lies in %s, also in %v; want %s", name, order, two.Ticket.Mailbox, two.Ticket.AlsoIn, owner)
			}
			if two.Ticket.Due.After(one.Ticket.Due) {
				t.Errorf("%s %v: due %v moved back to %v", name, order, one.Ticket.Due, two.Ticket.Due)
			}
			if two.Ticket.Type.PQRSA() != (owner == "pqrsa") {
				t.Errorf("%s %v: type %s", name, order, two.Ticket.Type)
			}
			for _, mailbox := range order {
				page, err := f.store.Tickets(t.Context(), store.Filter{Mailbox: mailbox})
				if err != nil || len(page.Tickets) != 1 {
					t.Errorf("%s %v: %s finds %d tickets, %v", name, order, mailbox, len(page.Tickets), err)
				}
				if r := f.file(t, mailbox, raw); r.Disposition != ticket.DispositionDuplicate || r.Ticket.Number != one.Ticket.Number {
					t.Errorf("%s %v: again in %s is %s", name, order, mailbox, r.Disposition)
				}
			}
			d, err := f.store.Detail(t.Context(), one.Ticket.Number)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Thread) != 1 || d.Messages != 1 || len(d.Links) != 0 || !d.ReceiptBy.IsZero() {
				t.Errorf("%s %v: thread of %d, %d messages, links %v", name, order, len(d.Thread), d.Messages, d.Links)
			}
			if !slices.ContainsFunc(d.Events, func(e ticket.Event) bool { return e.Kind == ticket.EventCopy && e.To == order[1] }) {
				t.Errorf("%s %v: no event tells of the copy", name, order)
			}
			seen = append(seen, d.Ticket)
		}
		a, b := seen[0], seen[1]
		if a.Type != b.Type || a.Priority != b.Priority || !a.Due.Equal(b.Due) || a.Review != b.Review || a.Term.Code != b.Term.Code {
			t.Errorf("%s: the order decides: %s %d %v %t, or %s %d %v %t", name, a.Type, a.Priority, a.Due, a.Review, b.Type, b.Priority, b.Due, b.Review)
		}
	}
}

// TestOneReceipt: of two linked tickets exactly one acknowledges the mail.
func TestOneReceipt(t *testing.T) {
	f := newDesk(t, false)
	one, two := f.file(t, "pqrsa", first), f.file(t, "soporte", first)
	if !one.Ticket.ReceiptBy.IsZero() || two.Ticket.ReceiptBy != one.Ticket.Number {
		t.Errorf("receipts by %s and %s, want one by %s", one.Ticket.ReceiptBy, two.Ticket.ReceiptBy, one.Ticket.Number)
	}
}

// TestBothMailboxesProperty: whatever the order of arrivals, with repeats and a
// reply between, there is one message a mail, and as many tickets as the mode
// says. The store's check proves numbers and indexes.
func TestBothMailboxesProperty(t *testing.T) {
	reply := letter("sigue igual", "Message-ID: <r@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>")
	n := 0
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s, err := store.Open(filepath.Join(dir, fmt.Sprint(n)), store.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		oneTicket := rapid.Bool().Draw(rt, "one ticket")
		now := clock
		f := fixture{bothPipeline(t, s, &now, oneTicket), s, &now}
		type arrival struct{ mail, mailbox string }
		all := []arrival{{"incident", "soporte"}, {"incident", "pqrsa"}, {"petition", "soporte"}, {"petition", "pqrsa"}}
		arrivals := rapid.Permutation(append(slices.Clone(all), rapid.SliceOfN(rapid.SampledFrom(all), 0, 4).Draw(rt, "repeats")...)).Draw(rt, "arrivals")
		known, replied := false, false
		for i, a := range arrivals {
			f.file(t, a.mailbox, fmt.Sprintf("Received: by hop%d; Fri, 10 Jul 2026 09:00:05 -0500\r\n", i)+bothMails[a.mail])
			known = known || a.mail == "incident"
			if known && rapid.Bool().Draw(rt, "reply") {
				f.file(t, a.mailbox, reply)
				replied = true
			}
		}
		before, err := s.Stats(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		for _, a := range arrivals {
			if r := f.file(t, a.mailbox, bothMails[a.mail]); r.Disposition != ticket.DispositionDuplicate {
				rt.Errorf("%v again is %s", a, r.Disposition)
			}
		}
		after, err := s.Stats(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		messages, tickets := 2, 4
		if replied {
			messages++
		}
		if oneTicket {
			tickets = 2
		}
		if after.Messages != messages || after.Tickets != tickets || before.Messages != messages || before.Tickets != tickets {
			rt.Errorf("%d messages and %d tickets, want %d and %d", after.Messages, after.Tickets, messages, tickets)
		}
		problems, err := s.Check(t.Context())
		if err != nil || len(problems) > 0 {
			rt.Errorf("check: %v, %v", strings.TrimSpace(fmt.Sprint(problems)), err)
		}
	})
}

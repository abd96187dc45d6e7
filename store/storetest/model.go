package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"radicado/store"
	"radicado/ticket"
)

// model is what a store should hold, kept in maps and searched in the simplest
// way there is.
type model struct {
	tickets  map[ticket.Number]ticket.Ticket
	threads  map[ticket.Number][]ticket.Digest
	messages map[ticket.Digest]ticket.Message
	dups     int
	next     uint32
}

// Words with and without accents, so that searches meet both.
var (
	subjects  = []string{"No abre la aplicación", "PETICION de información", "Señor", "factura\nerrada", "", "Straße"}
	customers = []ticket.Address{{Name: "José Muñoz", Address: "jmunoz@entidad.gov.co"}, {Address: "ANA@example.org"}, {Name: "Ana"}}
	searches  = []string{"aplicacion", "APLICACIÓN", "senor", "josé", "muñoz@", "2026-000", "000003", "na", "factura errada", "ana@example", "x", "munoz jm"}
	assignees = []string{"", "lina", "lina\x00", "lin"}
	mailboxes = []string{"soporte", "pqrsa"}
)

// testModel does the same to a store and to a model, at random, and asks both
// the same questions.
func testModel(t *testing.T, open func(t *testing.T) *store.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		defer s.Close()
		m := &model{
			tickets: map[ticket.Number]ticket.Ticket{}, threads: map[ticket.Number][]ticket.Digest{}, messages: map[ticket.Digest]ticket.Message{},
		}
		for range rapid.IntRange(1, 12).Draw(rt, "updates") {
			m.update(rt, s)
		}
		m.compareStats(rt, s)
		for range 8 {
			m.compareQuery(rt, s)
		}
		m.compareThreads(rt, s)
		problems, err := s.Check(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range problems {
			rt.Errorf("check: %s", p)
		}
	})
}

// update does several things in one transaction, which may then fail.
func (m *model) update(rt *rapid.T, s *store.Store) {
	type step func(tx *store.Tx) error
	var steps []step
	after := m.clone()
	for range rapid.IntRange(1, 5).Draw(rt, "steps") {
		var known []ticket.Number
		for n := range after.tickets {
			known = append(known, n)
		}
		slices.SortFunc(known, ticket.Number.Compare)
		kind := rapid.SampledFrom([]string{"open", "open", "change", "message", "refile", "duplicate"}).Draw(rt, "kind")
		switch {
		case kind == "duplicate":
			after.dups++
			uid := ticket.UID(after.dups)
			steps = append(steps, func(tx *store.Tx) error {
				return tx.PutOutcome(mailboxOrigin(uid), ticket.Outcome{Disposition: ticket.DispositionDuplicate})
			})
		case kind == "open" || len(known) == 0:
			after.next++
			tk := drawTicket(rt, number(after.next))
			after.tickets[tk.Number] = tk
			steps = append(steps, func(tx *store.Tx) error {
				n, err := tx.NextNumber(2026)
				if err == nil && n != tk.Number {
					err = fmt.Errorf("number %s, want %s", n, tk.Number)
				}
				return errors.Join(err, tx.PutTicket(&tk))
			})
		case kind == "change":
			tk := drawTicket(rt, rapid.SampledFrom(known).Draw(rt, "number"))
			after.tickets[tk.Number] = tk
			steps = append(steps, func(tx *store.Tx) error { return tx.PutTicket(&tk) })
		case kind == "message" || len(after.messages) == 0:
			raw, d := original(fmt.Sprintf("mail %d\n", len(after.messages)))
			msg := ticket.Message{Digest: d, Size: int64(len(raw)), Filings: drawFilings(rt, known)}
			after.put(msg)
			w := s.NewBlob(context.Background())
			if _, err := w.Write(raw); err != nil {
				rt.Fatal(err)
			}
			blob, err := w.Finish(d)
			if err != nil {
				rt.Fatal(err)
			}
			steps = append(steps, func(tx *store.Tx) error { return errors.Join(tx.AttachBlob(blob), tx.PutMessage(&msg, nil)) })
		case kind == "refile":
			var digests []ticket.Digest
			for d := range after.messages {
				digests = append(digests, d)
			}
			slices.SortFunc(digests, func(a, b ticket.Digest) int { return strings.Compare(a.String(), b.String()) })
			msg := after.messages[rapid.SampledFrom(digests).Draw(rt, "message")]
			// A filing keeps its place; a second mailbox may come to it.
			msg.Filings = slices.Clone(msg.Filings)
			for i, f := range drawFilings(rt, known) {
				j := slices.IndexFunc(msg.Filings, func(o ticket.Filing) bool { return o.Mailbox == f.Mailbox })
				if j >= 0 {
					msg.Filings[j].Disposition = f.Disposition
				} else if i > 0 || len(msg.Filings) == 0 {
					f.Ticket = ticket.Number{}
					msg.Filings = append(msg.Filings, f)
				}
			}
			after.messages[msg.Digest] = msg
			steps = append(steps, func(tx *store.Tx) error { return tx.PutMessage(&msg, nil) })
		}
	}
	fails := rapid.IntRange(0, 3).Draw(rt, "fails") == 0
	failure := errors.New("on purpose")
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		for _, step := range steps {
			if err := step(tx); err != nil {
				return err
			}
		}
		if fails {
			return failure
		}
		return nil
	})
	switch {
	case fails && !errors.Is(err, failure):
		rt.Fatalf("update that fails: %v", err)
	case !fails && err != nil:
		rt.Fatalf("update: %v", err)
	case !fails:
		*m = *after
	}
}

func (m *model) clone() *model {
	c := &model{
		tickets: map[ticket.Number]ticket.Ticket{}, threads: map[ticket.Number][]ticket.Digest{}, messages: map[ticket.Digest]ticket.Message{},
		dups: m.dups, next: m.next,
	}
	for k, v := range m.tickets {
		c.tickets[k] = v
	}
	for k, v := range m.threads {
		c.threads[k] = slices.Clone(v)
	}
	for k, v := range m.messages {
		c.messages[k] = v
	}
	return c
}

func (m *model) put(msg ticket.Message) {
	m.messages[msg.Digest] = msg
	for _, f := range msg.Filings {
		if !f.Ticket.IsZero() && !slices.Contains(m.threads[f.Ticket], msg.Digest) {
			m.threads[f.Ticket] = append(m.threads[f.Ticket], msg.Digest)
		}
	}
}

func drawTicket(rt *rapid.T, n ticket.Number) ticket.Ticket {
	tk := sampleTicket(n)
	tk.Mailbox = rapid.SampledFrom(mailboxes).Draw(rt, "mailbox")
	tk.Type = rapid.SampledFrom(ticket.Types()).Draw(rt, "type")
	tk.Status = rapid.SampledFrom(ticket.Statuses()).Draw(rt, "status")
	tk.Priority = rapid.SampledFrom(ticket.Priorities()).Draw(rt, "priority")
	tk.Assignee = rapid.SampledFrom(assignees).Draw(rt, "assignee")
	tk.Due = drawDue(rt)
	tk.Review = rapid.Bool().Draw(rt, "review")
	tk.Quarantine = rapid.SampledFrom([]string{"", "", "damaged"}).Draw(rt, "quarantine")
	tk.Subject = rapid.SampledFrom(subjects).Draw(rt, "subject")
	tk.Customer = rapid.SampledFrom(customers).Draw(rt, "customer")
	return tk
}

// drawDue has few values, so that many tickets share one, and some on both
// sides of 1970.
func drawDue(rt *rapid.T) time.Time {
	return rapid.SampledFrom([]time.Time{
		{}, time.Unix(-1, 999).UTC(), time.Unix(0, 0).UTC(), t0, t0.Add(time.Nanosecond), t0.Add(time.Hour), t0.AddDate(300, 0, 0),
	}).Draw(rt, "due")
}

func drawFilings(rt *rapid.T, known []ticket.Number) []ticket.Filing {
	var out []ticket.Filing
	for _, mailbox := range mailboxes {
		if !rapid.Bool().Draw(rt, "filed") {
			continue
		}
		f := filing(mailbox, rapid.SampledFrom(ticket.Dispositions()).Draw(rt, "disposition"), ticket.Number{})
		if len(known) > 0 && rapid.Bool().Draw(rt, "with ticket") {
			f.Ticket = rapid.SampledFrom(known).Draw(rt, "ticket")
		}
		out = append(out, f)
	}
	return out
}

func (m *model) compareStats(rt *rapid.T, s *store.Store) {
	want := store.Stats{
		Messages: len(m.messages), Tickets: len(m.tickets),
		ByMailbox: map[string]store.MailboxStats{}, ByDisposition: map[ticket.Disposition]int{}, ByType: map[ticket.Type]int{},
		ByPriority: map[string]int{}, ByStatus: map[ticket.Status]int{},
	}
	if m.dups > 0 {
		want.ByDisposition[ticket.DispositionDuplicate] = m.dups
	}
	for _, tk := range m.tickets {
		b := want.ByMailbox[tk.Mailbox]
		b.Tickets++
		want.ByMailbox[tk.Mailbox] = b
		want.ByType[tk.Type]++
		want.ByStatus[tk.Status]++
		want.ByPriority[strconv.Itoa(int(tk.Priority))]++
		if tk.Status.Open() {
			want.Open++
		}
		if tk.Review {
			want.Review++
		}
		if tk.Quarantine != "" {
			want.Quarantined++
		}
	}
	for _, msg := range m.messages {
		for _, f := range msg.Filings {
			b := want.ByMailbox[f.Mailbox]
			b.Messages++
			want.ByMailbox[f.Mailbox] = b
			want.ByDisposition[f.Disposition]++
		}
	}
	got, err := s.Stats(context.Background())
	if err != nil {
		rt.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Errorf("stats (-want +got):\n%s", diff)
	}
}

// plain takes accents and case away, for the few letters used here.
func plain(s string) string {
	return strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ñ", "n", "\n", " ").Replace(strings.ToLower(s))
}

func matches(f store.Filter, tk ticket.Ticket) bool {
	one := func(s string) bool { return strings.Contains(plain(s), plain(f.Text)) }
	return (len(f.Status) == 0 || slices.Contains(f.Status, tk.Status)) &&
		(len(f.Type) == 0 || slices.Contains(f.Type, tk.Type)) &&
		(len(f.Priority) == 0 || slices.Contains(f.Priority, tk.Priority)) &&
		(f.Mailbox == "" || f.Mailbox == tk.Mailbox) &&
		(f.Assignee == nil || *f.Assignee == tk.Assignee) &&
		(f.DueBefore.IsZero() || tk.Due.Before(f.DueBefore)) &&
		(f.Review == nil || *f.Review == tk.Review) &&
		(f.Quarantined == nil || *f.Quarantined == (tk.Quarantine != "")) &&
		(one(tk.Number.String()) || one(tk.Subject) || one(tk.Customer.Name) || one(tk.Customer.Address))
}

func closedOrder(s ticket.Status) int {
	if s.Open() {
		return 0
	}
	return 1
}

func (m *model) find(f store.Filter) []ticket.Ticket {
	var out []ticket.Ticket
	for _, tk := range m.tickets {
		if matches(f, tk) {
			out = append(out, tk)
		}
	}
	slices.SortFunc(out, func(a, b ticket.Ticket) int {
		switch f.Sort {
		case store.SortNumber:
			return b.Number.Compare(a.Number)
		case store.SortDue:
			return cmp.Or(a.Due.Compare(b.Due), a.Number.Compare(b.Number))
		}
		return cmp.Or(cmp.Compare(closedOrder(a.Status), closedOrder(b.Status)), cmp.Compare(a.Priority, b.Priority),
			a.Due.Compare(b.Due), a.Number.Compare(b.Number))
	})
	return out
}

func some[V any](rt *rapid.T, what string, from []V) []V {
	if rapid.Bool().Draw(rt, "any "+what) {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(rt, what)
}

func maybe[V any](rt *rapid.T, what string, from []V) *V {
	if rapid.Bool().Draw(rt, "any "+what) {
		return nil
	}
	v := rapid.SampledFrom(from).Draw(rt, what)
	return &v
}

func (m *model) compareQuery(rt *rapid.T, s *store.Store) {
	f := store.Filter{
		Status: some(rt, "statuses", ticket.Statuses()), Type: some(rt, "types", ticket.Types()), Priority: some(rt, "priorities", ticket.Priorities()),
		Assignee: maybe(rt, "assignee", assignees), Review: maybe(rt, "review", []bool{true, false}), Quarantined: maybe(rt, "quarantined", []bool{true, false}),
		Sort:  rapid.SampledFrom([]store.Sort{store.SortQueue, store.SortDue, store.SortNumber}).Draw(rt, "sort"),
		Limit: rapid.SampledFrom([]int{0, -1, 1, 3}).Draw(rt, "limit"),
	}
	if mailbox := maybe(rt, "mailbox", mailboxes); mailbox != nil {
		f.Mailbox = *mailbox
	}
	if text := maybe(rt, "text", searches); text != nil {
		f.Text = *text
	}
	if rapid.IntRange(0, 3).Draw(rt, "due before") == 0 {
		f.DueBefore = drawDue(rt)
	}
	want := m.find(f)
	var got []ticket.Ticket
	for pages := 0; ; pages++ {
		page, err := s.Tickets(context.Background(), f)
		if err != nil {
			rt.Fatal(err)
		}
		if f.Limit > 0 && len(page.Tickets) > f.Limit {
			rt.Fatalf("page of %d, limit %d", len(page.Tickets), f.Limit)
		}
		got = append(got, page.Tickets...)
		if page.Next == "" {
			break
		}
		if len(page.Tickets) == 0 || pages > len(m.tickets) {
			rt.Fatal("pages without end")
		}
		f.After = page.Next
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Errorf("filter %+v (-want +got):\n%s", f, diff)
	}
}

func (m *model) compareThreads(rt *rapid.T, s *store.Store) {
	for n := range m.tickets {
		err := s.View(context.Background(), func(tx *store.Tx) error {
			messages, err := tx.Messages(n)
			var got []ticket.Digest
			for _, msg := range messages {
				got = append(got, msg.Digest)
			}
			if diff := gocmp.Diff(m.threads[n], got); diff != "" {
				rt.Errorf("thread of %s (-want +got):\n%s", n, diff)
			}
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
	}
}

package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"radicado/calendar"
	"radicado/classify"
	"radicado/ingest"
	"radicado/store"
	"radicado/ticket"
)

// clock is the time at which every test mail is filed.
var clock = time.Date(2026, 7, 10, 15, 0, 0, 0, time.UTC)

type fixture struct {
	*ingest.Pipeline
	store *store.Store
	now   *time.Time
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "desk.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		problems, err := s.Check(context.Background())
		if err != nil {
			t.Errorf("check: %v", err)
		}
		for _, p := range problems {
			t.Errorf("check: %v", p)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	now := clock
	return fixture{newPipeline(t, s, &now), s, &now}
}

// rules are loaded once: a classifier is the same for all tests.
var rules = sync.OnceValues(classify.Default)

func newPipeline(t testing.TB, s *store.Store, now *time.Time) *ingest.Pipeline {
	t.Helper()
	c, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	cal, err := calendar.New(calendar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ingest.New(ingest.Options{Store: s, Classifier: c, Terms: cal.Deadline, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// letter writes a mail: a header field a string, then the body.
func letter(body string, fields ...string) string {
	return strings.Join(fields, "\r\n") + "\r\n\r\n" + body + "\r\n"
}

func (f fixture) file(t testing.TB, mailbox, raw string) ingest.Result {
	t.Helper()
	return f.take(t, ingest.Mail{Origin: ticket.Origin{Mailbox: mailbox, Path: "test.eml"}, ReceivedAt: *f.now, Body: strings.NewReader(raw)})
}

func (f fixture) take(t testing.TB, m ingest.Mail) ingest.Result {
	t.Helper()
	pending, err := f.Take(t.Context(), m)
	return filed(t, pending, err)
}

// filed waits for what Take or Quarantine returned.
func filed(t testing.TB, pending ingest.Pending, err error) ingest.Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, err := pending.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f fixture) change(t testing.TB, n ticket.Number, c ticket.Change) {
	t.Helper()
	err := f.store.Update(t.Context(), func(tx *store.Tx) error {
		tk, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		tk, events, err := tk.Apply(c, ticket.Actor{Kind: ticket.ActorLead}, *f.now, func(ticket.TermRequest) ticket.Deadline { return ticket.Deadline{} })
		if err != nil {
			return err
		}
		return tx.PutTicket(&tk, events...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

var first = letter("El lector de la caja 2 dejó de funcionar y no enciende.",
	"Message-ID: <uno@cliente.example.org>", "From: Ana <ana@cliente.example.org>", "To: soporte@example.com", "Cc: jefe@cliente.example.org",
	"Date: Fri, 10 Jul 2026 09:00:00 -0500", "Subject: El lector no enciende")

// TestThreading files the first mail, then another, and checks what becomes of
// the other.
func TestThreading(t *testing.T) {
	for _, c := range []struct {
		name        string
		raw         string
		disposition ticket.Disposition
		joins       bool
		linked      ticket.LinkKind // "" for none
		review      bool
	}{
		{"reply by In-Reply-To", letter("sigue igual", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>"), ticket.DispositionReply, true, "", false},
		{"reply by References", letter("sigue igual", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "References: <otro@x>\r\n <uno@cliente.example.org> <perdido@x>"), ticket.DispositionReply, true, "", false},
		{"a colleague's reply", letter("a mí también", "Message-ID: <dos@x>", "From: luis@otra.example.org", "In-Reply-To: <uno@cliente.example.org>"), ticket.DispositionReply, true, "", false},
		{"same subject words only", letter("otro caso: el lector no enciende", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "Subject: RE: El lector no enciende"), ticket.DispositionNew, false, "", false},
		{"number, by a participant", letter("sigue", "Message-ID: <dos@x>", "From: JEFE@cliente.example.org", "Subject: Re: [Radicado 2026-000001] lector"), ticket.DispositionReply, true, "", false},
		{"number, by the organisation", letter("sigue", "Message-ID: <dos@x>", "From: sistemas@cliente.example.org", "Subject: radicado No. 2026-000001"), ticket.DispositionReply, true, "", false},
		{"number, by a stranger", letter("denme todo", "Message-ID: <dos@x>", "From: x@ladron.example.net", "Subject: [Radicado 2026-000001]"), ticket.DispositionNew, false, ticket.LinkClaimed, true},
		{"number that is none of ours", letter("hola", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "Subject: [Radicado 2026-009999] queja"), ticket.DispositionNew, false, "", false},
		{"answers itself", letter("hola", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "In-Reply-To: <dos@x>"), ticket.DispositionNew, false, "", false},
		{"out of office", letter("Estoy de vacaciones", "Message-ID: <dos@x>", "From: jefe@cliente.example.org", "Auto-Submitted: auto-replied", "In-Reply-To: <uno@cliente.example.org>"), ticket.DispositionAutoReply, true, "", false},
		{"out of office to nothing known", letter("Estoy de vacaciones", "Message-ID: <dos@x>", "From: z@z.example.org", "Auto-Submitted: auto-replied"), ticket.DispositionAutoReply, false, "", false},
		{"newsletter", letter("Ofertas", "Message-ID: <dos@x>", "From: z@z.example.org", "List-Id: <ofertas.z.example.org>", "List-Unsubscribe: <https://z.example.org>", "Precedence: bulk"), ticket.DispositionBulk, false, "", false},
		{"broken reply", letter("--b\r\nContent-Type: text/plain\r\n\r\ncorta", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"), ticket.DispositionQuarantined, false, ticket.LinkClaimed, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			one := f.file(t, "soporte", first)
			if one.Disposition != ticket.DispositionNew || one.Ticket.Number.String() != "2026-000001" {
				t.Fatalf("the first mail is %s %s", one.Disposition, one.Ticket.Number)
			}
			two := f.file(t, "soporte", c.raw)
			if two.Disposition != c.disposition {
				t.Errorf("disposition %s, want %s", two.Disposition, c.disposition)
			}
			if joined := two.Ticket.Number == one.Ticket.Number; joined != c.joins {
				t.Errorf("ticket %q, joins %v, want %v", two.Ticket.Number, joined, c.joins)
			}
			opens := c.disposition == ticket.DispositionNew || c.disposition == ticket.DispositionQuarantined
			if opens && two.Ticket.Number.String() != "2026-000002" {
				t.Errorf("ticket %s, want 2026-000002", two.Ticket.Number)
			}
			if c.linked != "" {
				if len(two.Ticket.Links) != 1 || two.Ticket.Links[0] != (ticket.Link{Number: one.Ticket.Number, Kind: c.linked}) {
					t.Errorf("links %v, want %s to the first", two.Ticket.Links, c.linked)
				}
				d, err := f.store.Detail(t.Context(), one.Ticket.Number)
				if err != nil {
					t.Fatal(err)
				}
				if !d.HasLink(two.Ticket.Number) {
					t.Error("the first ticket does not link back")
				}
			} else if opens && len(two.Ticket.Links) != 0 {
				t.Errorf("links %v, want none", two.Ticket.Links)
			}
			if c.review && !two.Ticket.Review {
				t.Error("not flagged for review")
			}
		})
	}
}

func TestSharedDomainIsNoOrganisation(t *testing.T) {
	f := newFixture(t)
	f.file(t, "soporte", letter("hola", "Message-ID: <uno@gmail.com>", "From: ana@gmail.com"))
	r := f.file(t, "soporte", letter("hola", "Message-ID: <dos@gmail.com>", "From: ladron@gmail.com", "Subject: [Radicado 2026-000001]"))
	if r.Disposition != ticket.DispositionNew {
		t.Errorf("a stranger with the same mail provider is taken as %s", r.Disposition)
	}
}

func TestReplyToATicketClosedLongAgo(t *testing.T) {
	f := newFixture(t)
	n := f.file(t, "soporte", first).Ticket.Number
	closed := ticket.Cerrado
	f.change(t, n, ticket.Change{Status: &closed})

	*f.now = clock.AddDate(0, 0, 29)
	r := f.file(t, "soporte", letter("otra vez", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>"))
	if r.Ticket.Number != n || r.Ticket.Status != ticket.Abierto {
		t.Errorf("after 29 days the reply is in %s at %s, want %s abierto", r.Ticket.Number, r.Ticket.Status, n)
	}
	f.change(t, n, ticket.Change{Status: &closed})
	*f.now = clock.AddDate(0, 0, 60)
	r = f.file(t, "soporte", letter("y otra", "Message-ID: <tres@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>"))
	if r.Ticket.Number == n || len(r.Ticket.Links) != 1 || r.Ticket.Links[0].Kind != ticket.LinkFollows {
		t.Errorf("after 31 more days the reply is in %s with links %v, want a new ticket that follows", r.Ticket.Number, r.Ticket.Links)
	}
}

func TestDuplicates(t *testing.T) {
	f := newFixture(t)
	one := f.file(t, "soporte", first)
	for name, raw := range map[string]string{
		"the same bytes":     first,
		"other line ends":    strings.ReplaceAll(first, "\r\n", "\n"),
		"other trace fields": "Received: from b by c; Fri, 10 Jul 2026 09:00:05 -0500\r\nDelivered-To: x@example.com\r\n" + first,
	} {
		r := f.file(t, "soporte", raw)
		if r.Disposition != ticket.DispositionDuplicate || r.Ticket.Number != one.Ticket.Number || !r.Repeated {
			t.Errorf("%s: %s %s, want a duplicate of %s", name, r.Disposition, r.Ticket.Number, one.Ticket.Number)
		}
	}
	other := f.file(t, "soporte", strings.Replace(first, "caja 2", "caja 3", 1))
	if other.Disposition != ticket.DispositionNew {
		t.Errorf("the same Message-ID with another body is %s, want a new ticket", other.Disposition)
	}
	bare := letter("sin identificador", "From: ana@cliente.example.org")
	if r := f.file(t, "soporte", bare); r.Disposition != ticket.DispositionNew {
		t.Errorf("a mail without Message-ID is %s", r.Disposition)
	}
	if r := f.file(t, "soporte", "Received: by x\r\n"+bare); r.Disposition != ticket.DispositionNew {
		t.Errorf("a second mail without Message-ID but with other bytes is %s, want new", r.Disposition)
	}
}

func TestOneMailToBothMailboxes(t *testing.T) {
	f := newFixture(t)
	one := f.file(t, "soporte", "Delivered-To: soporte@example.com\r\n"+first)
	two := f.file(t, "pqrsa", "Delivered-To: pqrsa@example.com\r\n"+first)
	if one.Digest != two.Digest {
		t.Error("two messages, want one")
	}
	if two.Disposition != ticket.DispositionNew || two.Ticket.Number == one.Ticket.Number || two.Ticket.Mailbox != "pqrsa" {
		t.Fatalf("the second copy is %s in %s of %s", two.Disposition, two.Ticket.Number, two.Ticket.Mailbox)
	}
	for a, b := range map[ticket.Number]ticket.Number{one.Ticket.Number: two.Ticket.Number, two.Ticket.Number: one.Ticket.Number} {
		d, err := f.store.Detail(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Links) != 1 || d.Links[0] != (ticket.Link{Number: b, Kind: ticket.LinkSameMail}) {
			t.Errorf("%s links %v, want %s", a, d.Links, b)
		}
		if len(d.Thread) != 1 || !strings.Contains(d.Thread[0].Mail.NewText, "caja 2") {
			t.Errorf("%s has thread %+v", a, d.Thread)
		}
	}
	if r := f.file(t, "pqrsa", first); r.Disposition != ticket.DispositionDuplicate || r.Ticket.Number != two.Ticket.Number {
		t.Errorf("a third copy is %s in %s", r.Disposition, r.Ticket.Number)
	}
	// An answer to all comes back to both mailboxes: each desk's ticket gets it once.
	reply := letter("listo", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>")
	a, b := f.file(t, "soporte", reply), f.file(t, "pqrsa", reply)
	if a.Ticket.Number != one.Ticket.Number || b.Ticket.Number != two.Ticket.Number {
		t.Errorf("the reply joined %s and %s", a.Ticket.Number, b.Ticket.Number)
	}
	stats, err := f.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages != 2 || stats.Tickets != 2 {
		t.Errorf("%d messages, %d tickets, want 2 and 2", stats.Messages, stats.Tickets)
	}
}

func TestReplyToAllWithOneTicketIsNotDoubled(t *testing.T) {
	f := newFixture(t)
	f.file(t, "soporte", first)
	reply := letter("listo", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>")
	f.file(t, "soporte", reply)
	r := f.file(t, "pqrsa", reply)
	if r.Disposition != ticket.DispositionDuplicate || r.Ticket.Messages != 2 {
		t.Errorf("the second copy is %s, the ticket has %d messages", r.Disposition, r.Ticket.Messages)
	}
}

func TestShortBodyIsNotStored(t *testing.T) {
	f := newFixture(t)
	_, err := f.Take(t.Context(), ingest.Mail{Origin: ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 1, UID: 1},
		Size: int64(len(first)) + 1, Body: strings.NewReader(first)})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body one byte short: %v, want io.ErrUnexpectedEOF", err)
	}
	broken := errors.New("connection reset")
	_, err = f.Take(t.Context(), ingest.Mail{Origin: ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 1, UID: 1},
		Body: io.MultiReader(strings.NewReader(first[:60]), iotest.ErrReader(broken))})
	if !errors.Is(err, broken) {
		t.Errorf("a body that breaks off: %v", err)
	}
	stats, err := f.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages != 0 {
		t.Errorf("%d messages are stored", stats.Messages)
	}
}

func onServer(uid, previous ticket.UID, raw string) ingest.Mail {
	return ingest.Mail{
		Origin:   ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 7, UID: uid},
		Previous: previous, ReceivedAt: clock, Size: int64(len(raw)), Body: strings.NewReader(raw),
	}
}

// TestNoMailIsJumpedOver commits the mail behind one that failed.
func TestNoMailIsJumpedOver(t *testing.T) {
	f := newFixture(t)
	f.take(t, onServer(3, 0, first))
	p, err := f.Take(t.Context(), onServer(5, 4, letter("b", "Message-ID: <b@x>", "From: b@x.example")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, store.ErrOutOfOrder) {
		t.Fatalf("uid 5 behind a failed uid 4: %v, want ErrOutOfOrder", err)
	}
	c, err := f.Cursor(t.Context(), "soporte", "INBOX")
	if err != nil || c.Last != 3 {
		t.Fatalf("cursor at %d, %v; want 3", c.Last, err)
	}
	f.take(t, onServer(4, 3, letter("a", "Message-ID: <a@x>", "From: a@x.example")))
	f.take(t, onServer(5, 4, letter("b", "Message-ID: <b@x>", "From: b@x.example")))
	again := f.take(t, onServer(5, 4, letter("b", "Message-ID: <b@x>", "From: b@x.example")))
	if !again.Repeated || again.Disposition != ticket.DispositionNew {
		t.Errorf("the same UID again is %+v, want its recorded outcome", again.Disposition)
	}
	anew := onServer(1, 0, first)
	anew.Origin.UIDValidity = 8
	if r := f.take(t, anew); r.Disposition != ticket.DispositionDuplicate {
		t.Errorf("under a new UIDVALIDITY the first mail is %s, want duplicate", r.Disposition)
	}
}

// TestRedeliveryOnServer takes a second copy that came another way: its outcome
// names both its own bytes and the message that it was found to be.
func TestRedeliveryOnServer(t *testing.T) {
	f := newFixture(t)
	one := f.take(t, onServer(1, 0, first))
	raw := "Received: from b by c; Fri, 10 Jul 2026 09:00:05 -0500\r\n" + first
	for range 2 {
		r := f.take(t, onServer(2, 1, raw))
		if r.Disposition != ticket.DispositionDuplicate || r.Ticket.Number != one.Ticket.Number || r.Digest != one.Digest {
			t.Errorf("%s of %s, message %s", r.Disposition, r.Ticket.Number, r.Digest)
		}
	}
}

// TestQuarantine records mails that could not be fetched: each gets a ticket of
// its own although their bytes are the same.
func TestQuarantine(t *testing.T) {
	f := newFixture(t)
	var numbers []ticket.Number
	for uid := ticket.UID(1); uid <= 2; uid++ {
		m := onServer(uid, uid-1, "")
		m.Body = io.MultiReader(strings.NewReader("Subject: a"), iotest.ErrReader(errors.New("reset")))
		p, err := f.Quarantine(t.Context(), m, "fetch failed 3 times")
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Disposition != ticket.DispositionQuarantined || r.Ticket.Quarantine != "fetch failed 3 times" || !r.Ticket.Review {
			t.Errorf("uid %d: %s, %q", uid, r.Disposition, r.Ticket.Quarantine)
		}
		numbers = append(numbers, r.Ticket.Number)
	}
	if numbers[0] == numbers[1] {
		t.Errorf("two mails share ticket %s", numbers[0])
	}
	f.take(t, onServer(3, 2, first))
}

// TestManyAtOnce files mails of several mailboxes at once: each once, numbers
// without a gap (Check looks at that), whatever shares a group.
func TestManyAtOnce(t *testing.T) {
	f := newFixture(t)
	const mailboxes, each = 4, 50
	var wg sync.WaitGroup
	for b := range mailboxes {
		wg.Go(func() {
			var pendings []ingest.Pending
			for i := range each {
				raw := letter(fmt.Sprintf("caso %d de %d", i, b), fmt.Sprintf("Message-ID: <%d.%d@x>", b, i), "From: a@x.example.org")
				p, err := f.Take(t.Context(), ingest.Mail{
					Origin:   ticket.Origin{Mailbox: fmt.Sprint("m", b), Folder: "INBOX", UIDValidity: 1, UID: ticket.UID(i + 1)},
					Previous: ticket.UID(i), ReceivedAt: clock, Size: int64(len(raw)), Body: strings.NewReader(raw),
				})
				if err != nil {
					t.Error(err)
					return
				}
				pendings = append(pendings, p)
			}
			last := ticket.Number{}
			for _, p := range pendings {
				r, err := p.Wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if r.Ticket.Number.Compare(last) <= 0 {
					t.Errorf("number %s after %s: not in order of arrival", r.Ticket.Number, last)
				}
				last = r.Ticket.Number
			}
		})
	}
	wg.Wait()
	stats, err := f.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Tickets != mailboxes*each || stats.Messages != mailboxes*each {
		t.Errorf("%d tickets of %d messages, want %d", stats.Tickets, stats.Messages, mailboxes*each)
	}
}

func TestReceivedAt(t *testing.T) {
	at := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return &v
	}
	for _, c := range []struct {
		name           string
		server         time.Time
		received, date *time.Time
		want           time.Time
		doubt          bool
	}{
		{"server", *at("2026-07-01T00:00:00Z"), at("2026-06-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), *at("2026-07-01T00:00:00Z"), false},
		{"received", time.Time{}, at("2026-06-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), *at("2026-06-01T00:00:00Z"), false},
		{"date", time.Time{}, nil, at("2026-05-01T00:00:00Z"), *at("2026-05-01T00:00:00Z"), true},
		{"nothing", time.Time{}, nil, nil, clock, true},
		{"year 9999", time.Time{}, at("9999-06-01T00:00:00Z"), at("9998-06-01T00:00:00Z"), clock, true},
		{"before mail was filed by machines", *at("0001-06-01T00:00:00Z"), nil, nil, clock, true},
	} {
		got, doubt := ingest.ReceivedAt(c.server, &ticket.Mail{Received: c.received, Date: c.date}, clock)
		if !got.Equal(c.want) || (doubt != "") != c.doubt {
			t.Errorf("%s: %v, doubt %q; want %v, %v", c.name, got, doubt, c.want, c.doubt)
		}
	}
}

package ingest_test

import (
	"errors"
	"strings"
	"testing"

	"radicado/ingest"
	"radicado/store"
	"radicado/ticket"
)

var lead = ticket.Actor{Kind: ticket.ActorLead, Name: "luz"}

// spoil makes of a filed mail what a worse parser would have: a ticket in
// quarantine about whose content nothing is known.
func (f fixture) spoil(t *testing.T, n ticket.Number, digest ticket.Digest) {
	t.Helper()
	err := f.store.Update(t.Context(), func(tx *store.Tx) error {
		tk, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		m, err := tx.Message(digest)
		if err != nil {
			return err
		}
		m.Mail.Quarantine, m.Mail.Subject, m.Content = "parser-failed: x", "", ticket.Digest{}
		m.Filings[0].Disposition, m.Filings[0].Reason = ticket.DispositionQuarantined, "parser-failed: x"
		tk.Quarantine, tk.Review, tk.Subject, tk.Customer = "parser-failed: x", true, "", ticket.Address{}
		tk.Type, tk.Priority, tk.Term.Code = ticket.Requerimiento, ticket.Media, ticket.DefaultTerm(ticket.Requerimiento)
		tk.Classification = ticket.Classification{Type: tk.Type, Priority: tk.Priority, Term: tk.Term.Code}
		return errors.Join(tx.PutMessage(&m, &ticket.Body{}), tx.PutTicket(&tk))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRequeue(t *testing.T) {
	for _, corrected := range []bool{false, true} {
		f := newFixture(t)
		raw := letter("Quiero poner una queja por el mal trato del asesor.", "Message-ID: <q@x>", "From: Ana <ana@cliente.example.org>", "Subject: Queja por mal trato")
		r := f.file(t, "pqrsa", raw)
		n := r.Ticket.Number
		f.spoil(t, n, r.Digest)
		if corrected {
			kind := ticket.Reclamo
			f.change(t, n, ticket.Change{Type: &kind, Reason: "lo dice la llamada"})
		}
		if err := f.Requeue(t.Context(), n, lead); err != nil {
			t.Fatal(err)
		}
		d, err := f.store.Detail(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		want := r.Ticket.Type
		if corrected {
			want = ticket.Reclamo
		}
		if d.Quarantine != "" || d.Subject != "Queja por mal trato" || d.Customer.Address != "ana@cliente.example.org" || d.Type != want || !d.Review {
			t.Errorf("corrected %t: ticket %+v", corrected, d.View)
		}
		if !corrected && !d.Due.Equal(r.Ticket.Due) {
			t.Errorf("due %v, want %v", d.Due, r.Ticket.Due)
		}
		if m := d.Thread[0]; m.Disposition != ticket.DispositionNew || !strings.Contains(m.Mail.Text, "queja") {
			t.Errorf("message %+v", m)
		}
		released := false
		for _, e := range d.Events {
			released = released || e.Kind == ticket.EventRelease && e.Actor == lead && e.From == "parser-failed: x" && e.Reason != ""
		}
		if !released {
			t.Errorf("no event tells of it: %+v", d.Events)
		}
		// The same content through another way is known again.
		if again := f.file(t, "pqrsa", "Received: from x by y; Fri, 10 Jul 2026 10:00:00 -0500\r\n"+raw); again.Disposition != ticket.DispositionDuplicate {
			t.Errorf("the mail met again: %s", again.Disposition)
		}
		if err := f.Requeue(t.Context(), n, lead); !errors.Is(err, ticket.ErrRequeue) {
			t.Errorf("requeue of a released ticket: %v", err)
		}
	}
}

func TestRequeueRefused(t *testing.T) {
	f := newFixture(t)
	broken := f.file(t, "soporte", letter("--b\r\nContent-Type: text/plain\r\n\r\ncorta", "Message-ID: <dos@x>", "From: ana@cliente.example.org", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"))
	if broken.Ticket.Quarantine == "" {
		t.Fatal("the mail is not broken")
	}
	pending, err := f.Quarantine(t.Context(), ingest.Mail{
		Origin: ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 7, UID: 9}, ReceivedAt: clock,
	}, "fetch failed 3 times")
	if err != nil {
		t.Fatal(err)
	}
	missing, err := pending.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		n    ticket.Number
		want error
		says string
	}{
		{broken.Ticket.Number, ticket.ErrRequeue, "even now: " + broken.Ticket.Quarantine},
		{missing.Ticket.Number, ticket.ErrRequeue, "soporte/INBOX uid 9 (uidvalidity 7)"},
		{ticket.Number{Year: 2026, Seq: 999}, store.ErrNotFound, ""},
	} {
		err := f.Requeue(t.Context(), c.n, lead)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("requeue %s: %v", c.n, err)
		}
		if c.want == ticket.ErrRequeue {
			d, err := f.store.Detail(t.Context(), c.n)
			if err != nil || d.Quarantine == "" {
				t.Errorf("%s left quarantine (%v)", c.n, err)
			}
		}
	}
}

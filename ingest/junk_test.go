package ingest_test

import (
	"strings"
	"testing"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// What the server had put with the spam is filed like any other mail, and says
// so: a customer's mail that was taken for spam is not lost.
func TestMailFromTheSpamFolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	spam := func(uid, previous ticket.UID, raw string) ticket.Ticket {
		t.Helper()
		m := onServer(uid, previous, raw)
		m.Origin.Folder, m.Junk = "Correo no deseado", true
		return f.take(t, m).Ticket
	}
	flags := func(n ticket.Number) (reasons []string) {
		t.Helper()
		err := f.store.View(t.Context(), func(tx *store.Tx) error {
			events, err := tx.Events(n)
			for _, e := range events {
				if e.Kind == ticket.EventReview {
					reasons = append(reasons, e.Reason)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return reasons
	}
	wantFlag := func(tk ticket.Ticket) {
		t.Helper()
		got := flags(tk.Number)
		if !tk.Review || len(got) != 1 || !strings.Contains(got[0], "spam folder Correo no deseado") {
			t.Errorf("ticket %s: review %v for %q", tk.Number, tk.Review, got)
		}
	}
	wantFlag(spam(1, 0, letter("Quiero saber de mi certificado digital.", "Message-ID: <s1@x>", "From: eva@x.example.org", "Subject: mi certificado")))

	sound := f.file(t, "soporte", first).Ticket
	before := sound.Review
	reply := spam(2, 1, letter("sigue igual", "Message-ID: <s2@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>"))
	if before || reply.Number != sound.Number {
		t.Fatalf("the reply joined %s (review %v), want %s", reply.Number, before, sound.Number)
	}
	wantFlag(reply)
	// One flag is enough.
	wantFlag(spam(3, 2, letter("y otra vez", "Message-ID: <s3@x>", "From: ana@cliente.example.org", "In-Reply-To: <uno@cliente.example.org>")))
}

func TestRecorded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	m := onServer(7, 0, first)
	if at, err := f.Recorded(t.Context(), m.Origin); err != nil || !at.IsZero() {
		t.Errorf("before: %s, %v", at, err)
	}
	f.take(t, m)
	*f.now = f.now.Add(time.Hour)
	if at, err := f.Recorded(t.Context(), m.Origin); err != nil || !at.Equal(clock) {
		t.Errorf("after: %s, %v; want %s", at, err, clock)
	}
}

package ingest_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"radicado/calendar"
	"radicado/ingest"
	"radicado/store"
	"radicado/ticket"
)

const largeHead = "Message-ID: <grande@x>\r\nFrom: Ana <ana@cliente.example.org>\r\nSubject: Fotos del lector\r\nContent-Type: multipart/mixed; boundary=b\r\n"

// TestTooLargeFromServer: a source that refused a mail for its size hands over
// the header; the ticket knows sender and subject and says what happened.
func TestTooLargeFromServer(t *testing.T) {
	f := newFixture(t)
	refuse := func(mailbox string, uid ticket.UID, size, header string) ingest.Result {
		t.Helper()
		pending, err := f.Quarantine(t.Context(), ingest.Mail{
			Origin: ticket.Origin{Mailbox: mailbox, Folder: "INBOX", UIDValidity: 7, UID: uid}, Previous: uid - 1, ReceivedAt: clock, TooLarge: true, Body: strings.NewReader(header),
		}, "mail of "+size+" bytes: larger than allowed")
		return filed(t, pending, err)
	}
	r := refuse("soporte", 1, "70000000", largeHead+"\r\n")
	if r.Disposition != ticket.DispositionRefused || r.Ticket.Subject != "Fotos del lector" || r.Ticket.Customer.Address != "ana@cliente.example.org" ||
		!r.Ticket.Review || !strings.Contains(r.Ticket.Quarantine, "70000000 bytes") {
		t.Errorf("refused: %s, %+v", r.Disposition, r.Ticket)
	}
	if err := f.Requeue(t.Context(), r.Ticket.Number, lead); !errors.Is(err, ticket.ErrRequeue) || !strings.Contains(err.Error(), "soporte/INBOX uid 1") {
		t.Errorf("requeue: %v", err)
	}
	// Met again under another UID it is the same, with another size it is not.
	if again := refuse("soporte", 2, "70000000", largeHead+"\r\n"); again.Disposition != ticket.DispositionDuplicate {
		t.Errorf("again: %s", again.Disposition)
	}
	if other := refuse("soporte", 3, "80000000", largeHead+"\r\n"); other.Disposition != ticket.DispositionRefused || other.Ticket.Number == r.Ticket.Number {
		t.Errorf("another: %s in %s", other.Disposition, other.Ticket.Number)
	}
	if none := refuse("soporte", 4, "90000000", ""); none.Disposition != ticket.DispositionRefused || none.Ticket.Number.IsZero() {
		t.Errorf("without a header: %s", none.Disposition)
	}
	var out ticket.Outcome
	err := f.store.View(t.Context(), func(tx *store.Tx) (err error) {
		out, err = tx.Outcome(ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 7, UID: 1})
		return err
	})
	if err != nil || out.Disposition != ticket.DispositionRefused || out.Ticket != r.Ticket.Number {
		t.Errorf("ledger: %+v, %v", out, err)
	}
}

// counted tells how much of a file was read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func TestTooLargeFromFile(t *testing.T) {
	f := newFixture(t)
	c, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	cal, err := calendar.New(calendar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const limit = 10_000
	if f.Pipeline, err = ingest.New(ingest.Options{Store: f.store, Classifier: c, Terms: cal.Deadline, MaxMail: limit}); err != nil {
		t.Fatal(err)
	}
	plain := "Message-ID: <justo@x>\r\nFrom: ana@cliente.example.org\r\nSubject: justo\r\n\r\n"
	for _, tc := range []struct {
		name, raw, subject string
		want               ticket.Disposition
	}{
		{"at the limit", plain + strings.Repeat("x", limit-len(plain)), "justo", ticket.DispositionNew},
		{"one more", strings.ReplaceAll(plain, "justo", "pasado") + strings.Repeat("x", limit), "pasado", ticket.DispositionRefused},
		{"much more", largeHead + "\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100_000), "Fotos del lector", ticket.DispositionRefused},
		{"bare line feeds", strings.ReplaceAll(largeHead, "\r", "") + "\n" + strings.Repeat("x\n", limit), "Fotos del lector", ticket.DispositionRefused},
		{"a header without end", "Subject: largo\r\n" + strings.Repeat("X-A: b\r\n", limit), "largo", ticket.DispositionRefused},
		{"no line end", strings.Repeat("x", 3*limit), "", ticket.DispositionRefused},
	} {
		body := &counted{r: strings.NewReader(tc.raw)}
		r := f.take(t, ingest.Mail{Origin: ticket.Origin{Mailbox: "soporte", Path: tc.name}, ReceivedAt: clock, Body: body})
		if r.Disposition != tc.want || r.Ticket.Subject != tc.subject {
			t.Errorf("%s: %s, subject %q", tc.name, r.Disposition, r.Ticket.Subject)
		}
		if body.n > limit+1 {
			t.Errorf("%s: %d bytes read", tc.name, body.n)
		}
		if tc.want == ticket.DispositionRefused && !strings.Contains(r.Ticket.Quarantine, "more than 10000 bytes") {
			t.Errorf("%s: quarantine %q", tc.name, r.Ticket.Quarantine)
		}
	}
}

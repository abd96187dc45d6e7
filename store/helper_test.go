package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"radicado/ticket"
)

var t0 = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)

// openTest opens a new store that is checked and closed at the end.
func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "radicado.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkAndClose(t, s) })
	return s
}

func checkAndClose(t testing.TB, s *Store) {
	t.Helper()
	for _, p := range mustCheck(t, s) {
		t.Errorf("check: %s", p)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func mustCheck(t testing.TB, s *Store) []Problem {
	t.Helper()
	problems, err := s.Check(context.Background())
	if err != nil && !errors.Is(err, ErrClosed) {
		t.Errorf("check: %v", err)
	}
	return problems
}

// testTicket is a ticket of ordinary size.
func testTicket(n ticket.Number) ticket.Ticket {
	return ticket.Ticket{
		Number: n, Mailbox: "soporte", Status: ticket.Nuevo, Type: ticket.Types()[n.Seq%7], Priority: ticket.Priority(n.Seq%4 + 1),
		Subject: fmt.Sprintf("No abre la aplicación %d", n.Seq), Customer: ticket.Address{Name: "José Muñoz", Address: "jmunoz@entidad.gov.co"},
		Participants: []string{"jmunoz@entidad.gov.co", "soporte@example.org"}, Language: "es",
		Term:       ticket.Term{Code: ticket.TermIncidente, Days: 8, Unit: ticket.UnitHours, FiledOn: "2026-03-02", DueOn: "2026-03-02", Rule: "objetivo de servicio"},
		ReceivedAt: t0, Due: t0.Add(time.Duration(n.Seq%1000) * time.Minute), CreatedAt: t0, UpdatedAt: t0, Messages: 1,
		Classification: ticket.Classification{Type: ticket.Incidente, TypeConfidence: 0.75, Priority: ticket.Media, Reasons: []ticket.Reason{
			{Source: "rule", Name: "no-abre", Evidence: "No abre", Weight: 1.5}, {Source: "model", Name: "aplic", Evidence: "aplicación", Weight: 0.25},
		}},
	}
}

// testMail is an original with its digest; size is of its noise.
func testMail(i, size int) ([]byte, ticket.Digest) {
	raw := fmt.Appendf(nil, "Message-ID: <%d@example.org>\r\n\r\n", i)
	noise := make([]byte, size)
	_, _ = io.ReadFull(rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}), noise)
	raw = append(raw, bytes.ReplaceAll(noise, []byte("\n"), []byte(" "))...)
	return raw, sha256.Sum256(raw)
}

// storeMail does all that a mail does to a store and returns where its ack comes.
func storeMail(s *Store, i, size int) (<-chan error, error) {
	raw, d := testMail(i, size)
	w := s.NewBlob(context.Background())
	if _, err := w.Write(raw); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	blob, err := w.Finish(d)
	if err != nil {
		return nil, err
	}
	return s.Submit(context.Background(), func(tx *Tx) error {
		n, err := tx.NextNumber(2026)
		if err != nil {
			return err
		}
		tk := testTicket(n)
		m := ticket.Message{
			Digest: d, Content: d, Size: int64(len(raw)),
			Mail:    ticket.Mail{MessageID: fmt.Sprintf("%d@example.org", i), Subject: tk.Subject, From: tk.Customer},
			Filings: []ticket.Filing{{Mailbox: "soporte", Disposition: ticket.DispositionNew, Ticket: n, ReceivedAt: t0, StoredAt: t0}},
		}
		origin := ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 1, UID: ticket.UID(i)}
		return errors.Join(
			tx.AttachBlob(blob),
			tx.PutTicket(&tk, ticket.Event{At: t0, Kind: ticket.EventOpened, Message: &d}, ticket.Event{At: t0, Kind: ticket.EventReview}),
			tx.PutMessage(&m, &ticket.Body{Text: "Buenos días, no abre la aplicación.", NewText: "Buenos días"}),
			tx.PutOutcome(origin, ticket.Outcome{Disposition: ticket.DispositionNew, Ticket: n, Digest: d, At: t0}),
			tx.AdvanceCursor("soporte", "INBOX", 1, ticket.UID(i-1), ticket.UID(i), t0),
		)
	}), nil
}

func mustStoreMail(t testing.TB, s *Store, i, size int) {
	t.Helper()
	ack, err := storeMail(s, i, size)
	if err == nil {
		err = <-ack
	}
	if err != nil {
		t.Fatalf("mail %d: %v", i, err)
	}
}

// raw changes the file past the store.
func raw(t testing.TB, s *Store, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	if err := s.db.Update(fn); err != nil {
		t.Fatal(err)
	}
}

// hold keeps the committer busy until the returned function is called.
func hold(s *Store) (release func() error) {
	started, stop := make(chan struct{}), make(chan struct{})
	ack := s.Submit(context.Background(), func(*Tx) error { close(started); <-stop; return nil })
	<-started
	return func() error { close(stop); return <-ack }
}

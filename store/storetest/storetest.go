// Package storetest is the suite that every backend of the store passes. A
// backend's test calls [Run] with a function that opens an empty store.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"radicado/store"
	"radicado/ticket"
)

// t0 is the instant at which the suite's time begins.
var t0 = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)

// Run runs the suite. Each call of open returns an empty store; the suite
// checks and closes it.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, s *store.Store)
	}{
		{"Empty", testEmpty},
		{"Numbers", testNumbers},
		{"NumberMustBeUsed", testNumberMustBeUsed},
		{"Ticket", testTicket},
		{"Events", testEvents},
		{"Message", testMessage},
		{"TwoMailboxes", testTwoMailboxes},
		{"MessageIDs", testMessageIDs},
		{"Content", testContent},
		{"Unfiled", testUnfiled},
		{"HostileMessage", testHostileMessage},
		{"Ledger", testLedger},
		{"Outcomes", testOutcomes},
		{"Cursor", testCursor},
		{"Stats", testStats},
		{"FailureUndone", testFailureUndone},
		{"PanicUndone", testPanicUndone},
		{"ViewCannotWrite", testViewCannotWrite},
		{"Context", testContext},
		{"Closed", testClosed},
		{"Blobs", testBlobs},
		{"BlobDuplicate", testBlobDuplicate},
		{"BlobAbort", testBlobAbort},
		{"BlobRerun", testBlobRerun},
		{"Filters", testFilters},
		{"Paging", testPaging},
		{"ManyViews", testManyViews},
		{"Detail", testDetail},
		{"Each", testEach},
		{"Writers", testWriters},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() { CheckAndClose(t, s) })
			tc.run(t, s)
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		testModel(t, open)
	})
}

// CheckAndClose fails the test on anything that Check finds.
func CheckAndClose(t testing.TB, s *store.Store) {
	t.Helper()
	problems, err := s.Check(context.Background())
	if err != nil && !errors.Is(err, store.ErrClosed) {
		t.Errorf("check: %v", err)
	}
	for _, p := range problems {
		t.Errorf("check: %s", p)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// update fails the test where the update fails.
func update(t testing.TB, s *store.Store, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func view(t testing.TB, s *store.Store, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func stats(t testing.TB, s *store.Store) store.Stats {
	t.Helper()
	st, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// sampleTicket is a ticket that sets most fields.
func sampleTicket(n ticket.Number) ticket.Ticket {
	return ticket.Ticket{
		Number: n, Mailbox: "soporte", Status: ticket.Nuevo, Type: ticket.Incidente, Priority: ticket.Media,
		Subject: "No abre la aplicación", Customer: ticket.Address{Name: "José Muñoz", Address: "jmunoz@entidad.gov.co"},
		Participants: []string{"jmunoz@entidad.gov.co"}, Language: "es",
		Term:       ticket.Term{Code: ticket.TermIncidente, Days: 8, Unit: ticket.UnitHours, FiledOn: "2026-03-02", DueOn: "2026-03-02"},
		ReceivedAt: t0, Due: t0.Add(8 * time.Hour), CreatedAt: t0.Add(time.Second), UpdatedAt: t0.Add(time.Second), Messages: 1,
		Classification: ticket.Classification{
			Type: ticket.Incidente, TypeConfidence: 0.75, Priority: ticket.Media, Term: ticket.TermIncidente,
			Reasons: []ticket.Reason{{Source: "rule", Name: "no-abre", Evidence: "No abre", Weight: 1.5}},
		},
	}
}

// original is a mail's bytes and digest.
func original(text string) ([]byte, ticket.Digest) {
	raw := []byte(strings.ReplaceAll(text, "\n", "\r\n"))
	return raw, sha256.Sum256(raw)
}

// sampleMessage stores an original and returns a message of it, unfiled as yet.
func sampleMessage(t testing.TB, s *store.Store, id string) (*ticket.Message, *ticket.Body, *store.Blob) {
	t.Helper()
	raw, d := original("Message-ID: <" + id + ">\nSubject: hola\n\nBuenos días, " + id + ".\n")
	date := t0.In(ticket.Bogota)
	body := &ticket.Body{Text: "Buenos días, " + id + ".", HTML: "<p>Buenos días</p>", NewText: "Buenos días"}
	return &ticket.Message{
		Digest: d, Content: sha256.Sum256([]byte(id)), Size: int64(len(raw)),
		Mail: ticket.Mail{MessageID: id, Date: &date, From: ticket.Address{Address: "ana@example.org"}, Subject: "hola",
			Text: body.Text, HTML: body.HTML, NewText: body.NewText},
	}, body, writeBlob(t, s, raw, d)
}

func writeBlob(t testing.TB, s *store.Store, raw []byte, d ticket.Digest) *store.Blob {
	t.Helper()
	w := s.NewBlob(context.Background())
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	b, err := w.Finish(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newTicket puts the sample ticket, as mend makes it, under the next number.
func newTicket(t testing.TB, s *store.Store, mend func(tk *ticket.Ticket)) ticket.Ticket {
	t.Helper()
	var tk ticket.Ticket
	update(t, s, func(tx *store.Tx) error {
		n, err := tx.NextNumber(2026)
		if err != nil {
			return err
		}
		tk = sampleTicket(n)
		if mend != nil {
			mend(&tk)
		}
		return tx.PutTicket(&tk)
	})
	return tk
}

// file stores a message with these filings.
func file(t testing.TB, s *store.Store, id string, filings ...ticket.Filing) *ticket.Message {
	t.Helper()
	m, body, blob := sampleMessage(t, s, id)
	m.Filings = filings
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.AttachBlob(blob), tx.PutMessage(m, body))
	})
	return m
}

// stored is m as it comes back.
func stored(m *ticket.Message) ticket.Message {
	out := *m
	out.Mail.Text, out.Mail.HTML, out.Mail.NewText = "", "", ""
	return out
}

func readBlob(t testing.TB, s *store.Store, d ticket.Digest) []byte {
	t.Helper()
	r, err := s.OpenBlob(d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// testWriters: many writers, gapless numbers, each writer's in its order.
func testWriters(t *testing.T, s *store.Store) {
	const writers, each = 16, 20
	numbers := make([][]ticket.Number, writers)
	var wg sync.WaitGroup
	for w := range writers {
		numbers[w] = make([]ticket.Number, each)
		wg.Go(func() {
			acks := make([]<-chan error, each)
			for i := range each {
				acks[i] = s.Submit(context.Background(), func(tx *store.Tx) error {
					n, err := tx.NextNumber(2026)
					if err != nil {
						return err
					}
					tk := sampleTicket(n)
					if err := tx.PutTicket(&tk); err != nil {
						return err
					}
					if (w+i)%5 == 0 {
						return errors.New("one in five fails after it wrote")
					}
					numbers[w][i] = n
					return nil
				})
			}
			for i, ack := range acks {
				if err := <-ack; (err != nil) != ((w+i)%5 == 0) {
					t.Errorf("writer %d, update %d: %v", w, i, err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[ticket.Number]bool{}
	for w := range numbers {
		var last ticket.Number
		for i, n := range numbers[w] {
			if n.IsZero() {
				continue
			}
			if n.Compare(last) <= 0 {
				t.Errorf("writer %d: update %d has %s after %s", w, i, n, last)
			}
			if seen[n] {
				t.Errorf("%s given out twice", n)
			}
			seen[n], last = true, n
		}
	}
	for seq := range len(seen) {
		if n := (ticket.Number{Year: 2026, Seq: uint32(seq + 1)}); !seen[n] {
			t.Errorf("gap at %s", n)
		}
	}
	equal(t, "tickets", stats(t, s).Tickets, len(seen))
}

func number(seq uint32) ticket.Number { return ticket.Number{Year: 2026, Seq: seq} }

func mailboxOrigin(uid ticket.UID) ticket.Origin {
	return ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 7, UID: uid}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, fmt.Sprint(want))
	}
}

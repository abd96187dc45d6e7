package store

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"radicado/ticket"
)

// lastTx is the number of the newest committed transaction.
func lastTx(t testing.TB, s *Store) (id int) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSmallMailIsOneTransaction(t *testing.T) {
	s := openTest(t, Options{})
	before := lastTx(t, s)
	mustStoreMail(t, s, 1, 20_000)
	if n := lastTx(t, s) - before; n != 1 {
		t.Errorf("a small mail took %d transactions", n)
	}
	before = lastTx(t, s)
	if err := s.Update(context.Background(), func(tx *Tx) error { _, err := tx.Ticket(ticket.Number{Year: 2026, Seq: 1}); return err }); err != nil {
		t.Error(err)
	}
	if n := lastTx(t, s) - before; n != 0 {
		t.Errorf("an update that changes nothing took %d transactions", n)
	}
}

func TestGroupIsOneTransaction(t *testing.T) {
	s := openTest(t, Options{MaxBatch: 64})
	before := lastTx(t, s)
	release := hold(s)
	var acks []<-chan error
	var order []int
	for i := range 50 {
		acks = append(acks, s.Submit(context.Background(), func(tx *Tx) error {
			order = append(order, i)
			return tx.AdvanceCursor("soporte", "INBOX", 1, ticket.UID(i), ticket.UID(i+1), t0)
		}))
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for i, ack := range acks {
		if err := <-ack; err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if n := lastTx(t, s) - before; n != 1 {
		t.Errorf("a group took %d transactions", n)
	}
	for i, n := range order {
		if i != n {
			t.Fatalf("order %v", order)
		}
	}
}

func TestLargeGroupIsCut(t *testing.T) {
	s := openTest(t, Options{})
	before := lastTx(t, s)
	release := hold(s)
	const n = 100
	acks := make([]<-chan error, n)
	value := make([]byte, 1<<20)
	for i := range acks {
		acks[i] = s.Submit(context.Background(), func(tx *Tx) error {
			return tx.put(bucketMeta, []byte{'x', byte(i)}, value)
		})
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, ack := range acks {
		if err := <-ack; err != nil {
			t.Error(err)
		}
	}
	if got, want := lastTx(t, s)-before, n/16; got < want {
		t.Errorf("100 MB were written in %d transactions, want %d or more", got, want)
	}
}

// One bad mail makes all those behind it fail after they wrote: they must not
// make the group run again each.
func TestFailuresInARow(t *testing.T) {
	s := openTest(t, Options{})
	release := hold(s)
	const n, good = 200, 20
	runs := 0
	acks := make([]<-chan error, n)
	failure := errors.New("no")
	for i := range acks {
		acks[i] = s.Submit(context.Background(), func(tx *Tx) error {
			runs++
			if i < good {
				return tx.AdvanceCursor("soporte", "INBOX", 1, ticket.UID(i), ticket.UID(i+1), t0)
			}
			return errors.Join(tx.put(bucketMeta, []byte("x"), []byte("y")), failure)
		})
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for i, ack := range acks {
		if err := <-ack; errors.Is(err, failure) != (i >= good) || i < good && err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if most := n + (maxReruns+2)*good; runs > most {
		t.Errorf("%d functions ran %d times, want at most %d", n, runs, most)
	}
}

func TestDiskFull(t *testing.T) {
	var full atomic.Bool
	s := openTest(t, Options{hooks: hooks{beforeCommit: func() error {
		if full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}}})
	mustStoreMail(t, s, 1, 100)
	release := hold(s)
	full.Store(true)
	var acks []<-chan error
	for i := 2; i < 6; i++ {
		ack, err := storeMail(s, i, 100)
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, ack)
	}
	failed := s.Submit(context.Background(), func(*Tx) error { return errors.New("what it found may not be so") })
	if err := release(); err != nil { // it wrote nothing and went before
		t.Fatal(err)
	}
	for i, ack := range append(acks, failed) {
		if err := <-ack; !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if _, err := storeMail(s, 2, 1<<20); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a large original: %v", err)
	}
	full.Store(false)
	for i := 2; i < 6; i++ {
		mustStoreMail(t, s, i, 100)
	}
	st, err := s.Stats(context.Background())
	if err != nil || st.Tickets != 5 {
		t.Errorf("%d tickets, %v", st.Tickets, err)
	}
	// The chunks of the large one that failed halfway.
	w := s.NewBlob(context.Background())
	raw, digest := testMail(9, 1<<20)
	if _, err := w.Write(raw[:600<<10]); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), func(*Tx) error { return nil }); err != nil { // behind the first chunks
		t.Fatal(err)
	}
	full.Store(true)
	// Chunks fly while the next ones are written, so the end tells at the latest.
	if _, err := w.Write(raw[600<<10:]); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write on a full disk: %v", err)
	}
	if _, err := w.Finish(digest); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("finish on a full disk: %v", err)
	}
	full.Store(false)
	if n, err := s.SweepBlobs(context.Background(), 0); n != 1 || err != nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
}

package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"radicado/store"
	"radicado/ticket"
)

func testFailureUndone(t *testing.T, s *store.Store) {
	failure := errors.New("no")
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		n, err := tx.NextNumber(2026)
		if err != nil {
			return err
		}
		tk := sampleTicket(n)
		return errors.Join(tx.PutTicket(&tk, ticket.Event{At: t0}), tx.AdvanceCursor("soporte", "INBOX", 1, 0, 1, t0), failure)
	})
	wantErr(t, "update", err, failure)
	equal(t, "number after that", newTicket(t, s, nil).Number, number(1))
	view(t, s, func(tx *store.Tx) error {
		c, err := tx.Cursor("soporte", "INBOX")
		equal(t, "cursor", c, ticket.Cursor{})
		events, err2 := tx.Events(number(1))
		if len(events) > 0 {
			t.Errorf("events of an update that failed: %v", events)
		}
		return errors.Join(err, err2)
	})
}

func testPanicUndone(t *testing.T, s *store.Store) {
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		n, err := tx.NextNumber(2026)
		if err != nil {
			return err
		}
		tk := sampleTicket(n)
		if err := tx.PutTicket(&tk); err != nil {
			return err
		}
		panic("oops")
	})
	if err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("update that panics: %v", err)
	}
	equal(t, "number after that", newTicket(t, s, nil).Number, number(1))
}

func testViewCannotWrite(t *testing.T, s *store.Store) {
	tk := newTicket(t, s, nil)
	m := file(t, s, "a")
	blob := writeBlob(t, s, []byte("x"), sha256.Sum256([]byte("x")))
	view(t, s, func(tx *store.Tx) error {
		_, err := tx.NextNumber(2026)
		for what, err := range map[string]error{
			"number": err, "ticket": tx.PutTicket(&tk), "message": tx.PutMessage(m, nil), "blob": tx.AttachBlob(blob),
			"outcome": tx.PutOutcome(mailboxOrigin(1), ticket.Outcome{}), "cursor": tx.AdvanceCursor("a", "b", 1, 0, 1, t0),
		} {
			if err == nil {
				t.Errorf("%s: written in a View", what)
			}
		}
		return nil
	})
}

func testContext(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	started, release := make(chan struct{}), make(chan struct{})
	busy := s.Submit(context.Background(), func(*store.Tx) error {
		close(started)
		<-release
		return nil
	})
	<-started
	ran := false
	waiting := s.Submit(ctx, func(*store.Tx) error { ran = true; return nil })
	cancel()
	close(release)
	if err := <-busy; err != nil {
		t.Error(err)
	}
	wantErr(t, "cancelled in the queue", <-waiting, context.Canceled)
	if ran {
		t.Error("it ran all the same")
	}
	wantErr(t, "cancelled before", s.Update(ctx, func(*store.Tx) error { ran = true; return nil }), context.Canceled)
	wantErr(t, "view", s.View(ctx, func(*store.Tx) error { ran = true; return nil }), context.Canceled)
	_, err := s.Tickets(ctx, store.Filter{})
	wantErr(t, "tickets", err, context.Canceled)
	if ran {
		t.Error("ran with a context that had ended")
	}
}

func testClosed(t *testing.T, s *store.Store) {
	queued := s.Submit(context.Background(), func(tx *store.Tx) error {
		return tx.AdvanceCursor("soporte", "INBOX", 1, 0, 1, t0)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-queued; err != nil {
		t.Errorf("queued before Close: %v", err)
	}
	nothing := func(*store.Tx) error { return nil }
	wantErr(t, "update", s.Update(context.Background(), nothing), store.ErrClosed)
	wantErr(t, "view", s.View(context.Background(), nothing), store.ErrClosed)
	w := s.NewBlob(context.Background())
	_, err := io.Copy(w, io.LimitReader(noise(1), 2<<20))
	wantErr(t, "blob", err, store.ErrClosed)
	if err := w.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
}

// noise does not compress; the same seed gives the same bytes.
func noise(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func noiseBytes(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(noise(seed), b)
	return b
}

// canonicalDigest is an original's digest.
func canonicalDigest(raw []byte) ticket.Digest {
	h := sha256.New()
	_, _ = ticket.NewCanonicalWriter(h).Write(raw)
	return ticket.Digest(h.Sum(nil))
}

// attach makes the blob an original of a message.
func attach(t testing.TB, s *store.Store, blob *store.Blob, d ticket.Digest, size int) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.AttachBlob(blob), tx.PutMessage(&ticket.Message{Digest: d, Size: int64(size)}, nil))
	})
}

func testBlobs(t *testing.T, s *store.Store) {
	const chunk = 256 << 10
	for what, raw := range map[string][]byte{
		"empty":        {},
		"small":        []byte("Subject: hola\r\n\r\nhola\r\n"),
		"bare LF":      []byte("Subject: adiós\n\nhola\n"),
		"lone CR":      []byte("a\rb\r\r\n\n\n"),
		"about one":    noiseBytes(1, chunk-20),
		"just over":    noiseBytes(2, chunk+1),
		"many chunks":  noiseBytes(3, 5*chunk+77),
		"compressible": bytes.Repeat([]byte("Lorem ipsum dolor sit amet\r\n"), 200_000),
	} {
		w := s.NewBlob(context.Background())
		for rest := raw; len(rest) > 0; {
			k := min(len(rest), 10_001)
			if n, err := w.Write(rest[:k]); n != k || err != nil {
				t.Fatalf("%s: wrote %d of %d: %v", what, n, k, err)
			}
			rest = rest[k:]
		}
		d := canonicalDigest(raw)
		blob, err := w.Finish(d)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Errorf("%s: written after Finish", what)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("%s: abort after Finish: %v", what, err)
		}
		back := func(when string) {
			r, err := blob.Open()
			if err != nil {
				t.Fatalf("%s: open %s: %v", what, when, err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s: read back %s: %d bytes, want %d: %v", what, when, len(got), len(raw), err)
			}
		}
		back("before it was attached")
		if _, err := s.OpenBlob(d); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: open before it was attached: %v", what, err)
		}
		attach(t, s, blob, d, len(raw))
		back("after it was attached")
		if got := readBlob(t, s, d); !bytes.Equal(got, raw) {
			t.Errorf("%s: got %d bytes, want %d", what, len(got), len(raw))
		}
		if err := blob.Discard(); err != nil {
			t.Errorf("%s: discard: %v", what, err)
		}
		if got := readBlob(t, s, d); !bytes.Equal(got, raw) {
			t.Errorf("%s: Discard took an attached one", what)
		}
	}
}

func testBlobDuplicate(t *testing.T, s *store.Store) {
	for what, raw := range map[string][]byte{"small": []byte("a\n"), "large": noiseBytes(1, 1<<20)} {
		d := canonicalDigest(raw)
		first, second := writeBlob(t, s, raw, d), writeBlob(t, s, raw, d)
		attach(t, s, first, d, len(raw))
		attach(t, s, second, d, len(raw))
		attach(t, s, second, d, len(raw)) // repeated
		if got := readBlob(t, s, d); !bytes.Equal(got, raw) {
			t.Errorf("%s: got %d bytes, want %d", what, len(got), len(raw))
		}
		r, err := second.Open()
		if err != nil {
			t.Fatalf("%s: open the duplicate: %v", what, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: duplicate: %d bytes, %v", what, len(got), err)
		}
		r.Close()
	}
}

func testBlobAbort(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	w := s.NewBlob(ctx)
	if _, err := io.Copy(w, io.LimitReader(noise(1), 2<<20)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.SweepBlobs(context.Background(), 0); n != 0 || err != nil {
		t.Errorf("a sweep took one that is being written: %d, %v", n, err)
	}
	cancel()
	if err := w.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
	if _, err := w.Finish(ticket.Digest{1}); err == nil {
		t.Error("finished after Abort")
	}
	blob := writeBlob(t, s, noiseBytes(2, 1<<20), ticket.Digest{2})
	if err := blob.Discard(); err != nil {
		t.Errorf("discard: %v", err)
	}
	if err := s.Update(context.Background(), func(tx *store.Tx) error { return tx.AttachBlob(blob) }); err == nil {
		t.Error("attached after Discard")
	}
	w = s.NewBlob(context.Background())
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(ticket.Digest{}); err == nil {
		t.Error("finished without digest")
	}
	ctx, cancel = context.WithCancel(context.Background())
	w = s.NewBlob(ctx)
	cancel()
	if _, err := io.Copy(w, io.LimitReader(noise(3), 2<<20)); !errors.Is(err, context.Canceled) {
		t.Errorf("written with a context that had ended: %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
}

// testBlobRerun: a group is run again because another function fails.
func testBlobRerun(t *testing.T, s *store.Store) {
	started, release := make(chan struct{}), make(chan struct{})
	busy := s.Submit(context.Background(), func(*store.Tx) error { close(started); <-release; return nil })
	<-started
	small, large := []byte("a\n"), noiseBytes(1, 1<<20)
	// The large one's chunks wait behind busy, so it is written from here on.
	type result struct {
		blob *store.Blob
		err  error
	}
	done := make(chan result, 1)
	go func() {
		w := s.NewBlob(context.Background())
		if _, err := w.Write(large); err != nil {
			done <- result{err: errors.Join(err, w.Abort())}
			return
		}
		b, err := w.Finish(canonicalDigest(large))
		done <- result{b, err}
	}()
	smallBlob := writeBlob(t, s, small, canonicalDigest(small))
	fail := func(tx *store.Tx) error {
		return errors.Join(tx.AdvanceCursor("soporte", "INBOX", 1, 0, 1, t0), errors.New("no"))
	}
	put := func(raw []byte, b *store.Blob) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			return errors.Join(tx.AttachBlob(b), tx.PutMessage(&ticket.Message{Digest: canonicalDigest(raw), Size: int64(len(raw))}, nil))
		}
	}
	acks := []<-chan error{
		s.Submit(context.Background(), put(small, smallBlob)), s.Submit(context.Background(), fail),
	}
	close(release)
	if err := errors.Join(<-busy, <-acks[0]); err != nil {
		t.Fatal(err)
	}
	if err := <-acks[1]; err == nil {
		t.Error("the failing one did not fail")
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	update(t, s, put(large, r.blob))
	for _, raw := range [][]byte{small, large} {
		if got := readBlob(t, s, canonicalDigest(raw)); !bytes.Equal(got, raw) {
			t.Errorf("got %d bytes, want %d", len(got), len(raw))
		}
	}
}

package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"radicado/ticket"
)

func openBench(b *testing.B, o Options) *Store {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "radicado.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkMail is a small mail with all that it writes, alone and with 63
// others under way. The cursor lies apart, as order does not matter here.
func BenchmarkMail(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openBench(b, Options{})
			raw, _ := testMail(1, 4000)
			var next int
			var mu sync.Mutex
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for {
						mu.Lock()
						next++
						i := next
						mu.Unlock()
						if i > b.N {
							return
						}
						if err := benchMail(s, i, raw); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
			b.ReportMetric(float64(b.N)/float64(max(lastTx(b, s)-1, 1)), "mails/tx")
		})
	}
}

func benchMail(s *Store, i int, raw []byte) error {
	d := ticket.Digest{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}
	w := s.NewBlob(context.Background())
	if _, err := w.Write(raw); err != nil {
		return errors.Join(err, w.Abort())
	}
	blob, err := w.Finish(d)
	if err != nil {
		return err
	}
	return s.Update(context.Background(), func(tx *Tx) error {
		n, err := tx.NextNumber(2026)
		if err != nil {
			return err
		}
		tk := testTicket(n)
		m := ticket.Message{Digest: d, Content: d, Size: int64(len(raw)), Mail: ticket.Mail{MessageID: fmt.Sprint(i), Subject: tk.Subject, From: tk.Customer},
			Filings: []ticket.Filing{{Mailbox: "soporte", Disposition: ticket.DispositionNew, Ticket: n, ReceivedAt: t0, StoredAt: t0}}}
		origin := ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 1, UID: ticket.UID(i)}
		return errors.Join(
			tx.AttachBlob(blob), tx.PutTicket(&tk, ticket.Event{At: t0, Kind: ticket.EventOpened, Message: &d}),
			tx.PutMessage(&m, &ticket.Body{Text: "Buenos días, no abre la aplicación.", NewText: "Buenos días"}),
			tx.PutOutcome(origin, ticket.Outcome{Disposition: ticket.DispositionNew, Ticket: n, Digest: d, At: t0}),
			tx.AdvanceCursor("soporte", fmt.Sprint(i), 1, 0, 1, t0),
		)
	})
}

// base64Mail is like a mail with an attachment that does not compress.
func base64Mail(size int) []byte {
	noise := make([]byte, size/78*57+57)
	_, _ = io.ReadFull(rand.NewChaCha8([32]byte{1}), noise)
	var out bytes.Buffer
	out.Grow(size + 100)
	for line := range bytesChunks(noise, 57) {
		out.WriteString(base64.StdEncoding.EncodeToString(line))
		out.WriteString("\r\n")
	}
	return out.Bytes()[:size]
}

func bytesChunks(b []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

func BenchmarkBlobWrite(b *testing.B) {
	for _, size := range []int{10 << 10, 1 << 20, 40 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			s := openBench(b, Options{})
			raw := base64Mail(min(size, 4<<20)) // longer than the window
			b.SetBytes(int64(size))
			b.ReportAllocs()
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			stop := peakHeap()
			i, stored := 0, int64(0)
			for b.Loop() {
				i++
				d := ticket.Digest{byte(i), byte(i >> 8), byte(i >> 16), 1}
				w := s.NewBlob(context.Background())
				for rest := size; rest > 0; rest -= len(raw) {
					for part := range bytesChunks(raw[:min(len(raw), rest)], 32<<10) {
						if _, err := w.Write(part); err != nil {
							b.Fatal(err)
						}
					}
				}
				blob, err := w.Finish(d)
				if err != nil {
					b.Fatal(err)
				}
				stored = blob.rec.Stored
				if err := s.Update(context.Background(), func(tx *Tx) error { return tx.AttachBlob(blob) }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(stop()-int64(before.HeapAlloc))/(1<<20), "peak-MB")
			b.ReportMetric(float64(stored)/float64(size), "ratio")
			st := s.db.Stats().TxStats
			b.ReportMetric(float64(st.GetPageAlloc())/float64(int64(i)*int64(size)), "written/size")
		})
	}
}

// peakHeap samples the heap until the returned function is called.
func peakHeap() func() int64 {
	stop, peak := make(chan struct{}), make(chan int64)
	go func() {
		var most uint64
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				peak <- int64(most)
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() int64 { close(stop); return <-peak }
}

func BenchmarkBlobRead(b *testing.B) {
	s := openBench(b, Options{})
	raw := base64Mail(40 << 20)
	w := s.NewBlob(context.Background())
	if _, err := w.Write(raw); err != nil {
		b.Fatal(err)
	}
	blob, err := w.Finish(ticket.Digest{1})
	if err == nil {
		err = s.Update(context.Background(), func(tx *Tx) error { return tx.AttachBlob(blob) })
	}
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.OpenBlob(ticket.Digest{1})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(raw)) {
			b.Fatal(n, err)
		}
		r.Close()
	}
}

// fillTickets stores n tickets of which one in twenty is open.
func fillTickets(b *testing.B, s *Store, n int) {
	b.Helper()
	for done := 0; done < n; done += 1000 {
		err := s.Update(context.Background(), func(tx *Tx) error {
			for range 1000 {
				no, err := tx.NextNumber(2026)
				if err != nil {
					return err
				}
				tk := testTicket(no)
				if no.Seq%20 != 0 {
					tk.Status = ticket.Cerrado
				}
				if no.Seq%500 == 0 {
					tk.Assignee, tk.Review = "lina", true
				}
				if err := tx.PutTicket(&tk); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTickets(b *testing.B) {
	s := openBench(b, Options{NoSync: true})
	fillTickets(b, s, 20_000)
	lina, yes := "lina", true
	for name, f := range map[string]Filter{
		"queue":          {},
		"open":           {Status: []ticket.Status{ticket.Nuevo, ticket.Abierto, ticket.Pendiente}},
		"type":           {Type: []ticket.Type{ticket.Queja}},
		"closed-by-due":  {Status: []ticket.Status{ticket.Cerrado}, Sort: SortDue},
		"lina-by-due":    {Assignee: &lina, Sort: SortDue},
		"review":         {Review: &yes},
		"number":         {Sort: SortNumber},
		"text-one-found": {Text: "aplicacion 19999"},
		"text-none":      {Text: "zzz"},
		"due-none":       {DueBefore: t0.AddDate(-1, 0, 0)},
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				p, err := s.Tickets(context.Background(), f)
				if err != nil {
					b.Fatal(err)
				}
				n = len(p.Tickets)
			}
			b.ReportMetric(float64(n), "found")
		})
	}
	b.Run("Stats", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Stats(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Check", func(b *testing.B) {
		for b.Loop() {
			if p, err := s.Check(context.Background()); err != nil || len(p) > 0 {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("Repair", func(b *testing.B) {
		for b.Loop() {
			if err := s.Repair(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"radicado/ticket"
)

// maxProblems bounds what Check reports: a file damaged everywhere is not
// described entry by entry.
const maxProblems = 1000

// Problem is a defect that Check found.
type Problem struct {
	Bucket string // "" for the file itself
	Key    string // readable where the kind of key is known, else hexadecimal
	What   string
}

// String returns the problem on one line.
func (p Problem) String() string { return strings.TrimLeft(p.Bucket+" "+p.Key+": "+p.What, " ") }

var errManyProblems = errors.New("too many problems")

// Check verifies everything: the file's pages; that records decode and refer to
// what exists; that each index entry has its record and each record its
// entries; counters; that numbers have no gaps; that originals decompress and
// match their digests; that none is left pending. It returns at most 1,000
// problems. An error means that Check itself could not go on.
//
// Pages are checked with the writer stopped, and records, indexes and counters
// in one transaction, since only a single state can be consistent: both take
// seconds in a large store. Originals are read chunk by chunk.
func (s *Store) Check(ctx context.Context) ([]Problem, error) {
	c := &checker{s: s, ctx: ctx, copies: map[ticket.Digest]bool{}}
	err := c.pages()
	if err == nil {
		err = s.View(ctx, c.records)
	}
	if err == nil {
		err = c.contents()
	}
	if errors.Is(err, errManyProblems) {
		return append(c.problems, Problem{What: fmt.Sprintf("more than %d problems, stopped", maxProblems)}), nil
	}
	if err != nil {
		return c.problems, fmt.Errorf("check: %w", err)
	}
	return c.problems, nil
}

type checker struct {
	s        *Store
	ctx      context.Context
	tx       *Tx
	problems []Problem

	counts   map[count]int  // as they should be
	entries  map[bucket]int // how many each index should have
	messages []ticket.Digest
	copies   map[ticket.Digest]bool // originals of further arrivals whose bytes differ from the message's
	blobs    []ticket.Digest
}

func (c *checker) problem(b bucket, key, format string, args ...any) error {
	c.problems = append(c.problems, Problem{Bucket: string(b), Key: key, What: fmt.Sprintf(format, args...)})
	if len(c.problems) >= maxProblems {
		return errManyProblems
	}
	return nil
}

// pages lets bbolt check its tree and free list, which it can do safely only
// where no one writes.
func (c *checker) pages() error {
	check := func(tx *Tx) error {
		var err error
		for e := range tx.tx.Check() { // to its end: a goroutine sends
			if err == nil {
				err = c.problem("", "page", "%v", e)
			}
		}
		return err
	}
	if c.s.o.ReadOnly {
		return c.s.View(c.ctx, check)
	}
	return c.s.Update(c.ctx, check)
}

// records checks all but contents, in one transaction.
func (c *checker) records(tx *Tx) error {
	c.tx = tx
	c.counts, c.entries = map[count]int{}, map[bucket]int{}
	for _, step := range []func() error{
		c.tickets, c.events, c.allMessages, c.ledger, c.cursors, c.originals, c.indexes, c.counters,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// each walks a bucket and looks whether ctx has ended.
func (c *checker) each(b bucket, fn func(k, v []byte) error) error {
	n := 0
	return c.tx.bucket(b).ForEach(func(k, v []byte) error {
		if n++; n%1000 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		return fn(k, v)
	})
}

// expect notes what a record's entries are and looks each of them up.
func (c *checker) expect(owner string, e entries) error {
	for _, n := range e.counts {
		c.counts[n]++
	}
	for _, i := range e.index {
		c.entries[i.bucket]++
		v := c.tx.get(i.bucket, i.key)
		switch {
		case v == nil:
			if err := c.problem(i.bucket, hexKey(i.key), "entry of %s is missing", owner); err != nil {
				return err
			}
		case !bytes.Equal(v, i.value):
			if err := c.problem(i.bucket, hexKey(i.key), "entry of %s differs", owner); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) tickets() error {
	last := map[int]uint32{}
	err := c.each(bucketTickets, func(k, v []byte) error {
		n, err := parseNumberKey(k)
		if err != nil {
			return c.problem(bucketTickets, hexKey(k), "%v", err)
		}
		if want := last[n.Year] + 1; n.Seq != want {
			gap := ticket.Number{Year: n.Year, Seq: want}
			if err := c.problem(bucketTickets, n.String(), "numbers from %s up to it are missing", gap); err != nil {
				return err
			}
		}
		last[n.Year] = n.Seq
		t, err := decode[ticket.Ticket](v)
		if err != nil {
			return c.problem(bucketTickets, n.String(), "%v", err)
		}
		if t.Number != n {
			return c.problem(bucketTickets, n.String(), "record says number %s", t.Number)
		}
		return c.expect("ticket "+n.String(), ticketEntries(&t))
	})
	if err != nil {
		return err
	}
	err = c.each(bucketYears, func(k, v []byte) error {
		if len(k) != 2 || len(v) != 4 {
			return c.problem(bucketYears, hexKey(k), "malformed entry")
		}
		year, given := int(binary.BigEndian.Uint16(k)), binary.BigEndian.Uint32(v)
		if last[year] != given {
			err := c.problem(bucketYears, fmt.Sprint(year), "last number given out is %d, last ticket %d", given, last[year])
			if err != nil {
				return err
			}
		}
		delete(last, year)
		return nil
	})
	if err != nil {
		return err
	}
	for year, n := range last {
		if err := c.problem(bucketYears, fmt.Sprint(year), "entry is missing, last ticket is %d", n); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) hasTicket(n ticket.Number) bool {
	return c.tx.get(bucketTickets, numberKey(n)) != nil
}

func (c *checker) hasMessage(d ticket.Digest) bool { return c.tx.get(bucketMessages, d[:]) != nil }

func (c *checker) events() error {
	var present ticket.Number
	var last uint64
	return c.each(bucketEvents, func(k, v []byte) error {
		if len(k) != numberLen+seqLen {
			return c.problem(bucketEvents, hexKey(k), "%v", errKey)
		}
		n, err := parseNumberKey(k[:numberLen])
		if err != nil {
			return c.problem(bucketEvents, hexKey(k), "%v", err)
		}
		seq := binary.BigEndian.Uint64(k[numberLen:])
		key := fmt.Sprintf("%s #%d", n, seq)
		if n != present {
			present, last = n, 0
			if !c.hasTicket(n) {
				if err := c.problem(bucketEvents, key, "there is no such ticket"); err != nil {
					return err
				}
			}
		}
		if seq != last+1 {
			if err := c.problem(bucketEvents, key, "events from #%d up to it are missing", last+1); err != nil {
				return err
			}
		}
		last = seq
		e, err := decode[ticket.Event](v)
		if err != nil {
			return c.problem(bucketEvents, key, "%v", err)
		}
		if e.Seq != seq {
			return c.problem(bucketEvents, key, "record says #%d", e.Seq)
		}
		return nil
	})
}

func (c *checker) allMessages() error {
	err := c.each(bucketMessages, func(k, v []byte) error {
		if len(k) != sha256.Size {
			return c.problem(bucketMessages, hexKey(k), "%v", errKey)
		}
		d := ticket.Digest(k)
		c.messages = append(c.messages, d)
		r, err := decode[messageRecord](v)
		if err != nil {
			return c.problem(bucketMessages, d.String(), "%v", err)
		}
		if r.Digest != d {
			return c.problem(bucketMessages, d.String(), "record says %s", r.Digest)
		}
		if len(r.Filed) != len(r.Filings) {
			return c.problem(bucketMessages, d.String(), "%d filings with %d seqs", len(r.Filings), len(r.Filed))
		}
		if c.tx.get(bucketBodies, k) == nil {
			if err := c.problem(bucketMessages, d.String(), "its text is missing"); err != nil {
				return err
			}
		}
		if c.tx.get(bucketBlobs, k) == nil {
			if err := c.problem(bucketMessages, d.String(), "its original is missing"); err != nil {
				return err
			}
		}
		for _, f := range r.Filings {
			if !f.Original.IsZero() && f.Original != d {
				c.copies[f.Original] = true
				if c.tx.get(bucketBlobs, f.Original[:]) == nil {
					if err := c.problem(bucketMessages, d.String(), "the original of its arrival in %s is missing", f.Mailbox); err != nil {
						return err
					}
				}
			}
			if !f.Ticket.IsZero() && !c.hasTicket(f.Ticket) {
				if err := c.problem(bucketMessages, d.String(), "filed under ticket %s, which is missing", f.Ticket); err != nil {
					return err
				}
			}
		}
		return c.expect("message "+d.String(), messageEntries(&r))
	})
	if err != nil {
		return err
	}
	return c.each(bucketBodies, func(k, _ []byte) error {
		if len(k) != sha256.Size || !c.hasMessage(ticket.Digest(k)) {
			return c.problem(bucketBodies, hexKey(k), "text without message")
		}
		return nil
	})
}

func (c *checker) ledger() error {
	return c.each(bucketLedger, func(k, v []byte) error {
		o, err := parseLedgerKey(k)
		if err != nil {
			return c.problem(bucketLedger, hexKey(k), "%v", err)
		}
		out, err := decode[ticket.Outcome](v)
		if err != nil {
			return c.problem(bucketLedger, o.String(), "%v", err)
		}
		if !out.Ticket.IsZero() && !c.hasTicket(out.Ticket) {
			if err := c.problem(bucketLedger, o.String(), "outcome with ticket %s, which is missing", out.Ticket); err != nil {
				return err
			}
		}
		if !out.Message.IsZero() && !c.hasMessage(out.Message) {
			if err := c.problem(bucketLedger, o.String(), "outcome with message %s, which is missing", out.Message); err != nil {
				return err
			}
		}
		return c.expect("outcome of "+o.String(), outcomeEntries(&out))
	})
}

func (c *checker) cursors() error {
	return c.each(bucketCursors, func(k, v []byte) error {
		mailbox, rest, err := cutString(k)
		if err != nil {
			return c.problem(bucketCursors, hexKey(k), "%v", err)
		}
		folder, rest, err := cutString(rest)
		if err != nil || len(rest) > 0 {
			return c.problem(bucketCursors, hexKey(k), "%v", errKey)
		}
		if _, err := decode[ticket.Cursor](v); err != nil {
			return c.problem(bucketCursors, mailbox+"/"+folder, "%v", err)
		}
		return nil
	})
}

// originals checks that blobs and chunks belong together; contents come later.
func (c *checker) originals() error {
	chunks := map[uint64]int{} // by id: how many there must be, -1 for any number
	err := c.each(bucketBlobs, func(k, v []byte) error {
		if len(k) != sha256.Size {
			return c.problem(bucketBlobs, hexKey(k), "%v", errKey)
		}
		d := ticket.Digest(k)
		c.blobs = append(c.blobs, d)
		rec, err := decode[blobRecord](v)
		if err != nil {
			return c.problem(bucketBlobs, d.String(), "%v", err)
		}
		if _, twice := chunks[rec.ID]; twice {
			return c.problem(bucketBlobs, d.String(), "its chunks belong to another original too")
		}
		chunks[rec.ID] = rec.Chunks
		if !c.hasMessage(d) && !c.copies[d] {
			return c.problem(bucketBlobs, d.String(), "original without message")
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.each(bucketPending, func(k, v []byte) error {
		if len(k) != seqLen {
			return c.problem(bucketPending, hexKey(k), "%v", errKey)
		}
		id := binary.BigEndian.Uint64(k)
		if _, twice := chunks[id]; twice {
			return c.problem(bucketPending, fmt.Sprint(id), "attached and pending")
		}
		chunks[id] = -1
		if c.s.isLive(id) {
			return nil
		}
		return c.problem(bucketPending, fmt.Sprint(id), "left unfinished")
	})
	if err != nil {
		return err
	}
	return c.each(bucketChunks, func(k, v []byte) error {
		if len(k) != chunkKeyLen && (len(k) != chunkKeyLen+1 || k[chunkKeyLen] >= fillers || len(v) > 0) {
			return c.problem(bucketChunks, hexKey(k), "%v", errKey)
		}
		id, index := binary.BigEndian.Uint64(k), binary.BigEndian.Uint32(k[seqLen:])
		if n, ok := chunks[id]; !ok || n >= 0 && int64(index) >= int64(n) {
			return c.problem(bucketChunks, fmt.Sprintf("%d #%d", id, index), "belongs to no original")
		}
		return nil
	})
}

// indexes looks for entries that no record has. Where an index has as many as
// it should and none was missing, there are none.
func (c *checker) indexes() error {
	for _, b := range indexBuckets() {
		n := 0
		if err := c.each(b, func(_, _ []byte) error { n++; return nil }); err != nil {
			return err
		}
		if n == c.entries[b] {
			continue
		}
		err := c.each(b, func(k, v []byte) error {
			e, owner := c.owner(b, k, v)
			if slices.ContainsFunc(e.index, func(i indexEntry) bool { return i.bucket == b && bytes.Equal(i.key, k) }) {
				return nil
			}
			return c.problem(b, hexKey(k), "entry that %s does not have", owner)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// owner returns all entries of the record that an index entry names.
func (c *checker) owner(b bucket, k, v []byte) (entries, string) {
	switch b {
	case indexThread, indexUnfiled, indexMessageID, indexContent:
		if len(v) != sha256.Size {
			return entries{}, "nobody"
		}
		r, err := decode[messageRecord](c.tx.get(bucketMessages, v))
		if err != nil {
			return entries{}, "message " + ticket.Digest(v).String()
		}
		return messageEntries(&r), "message " + r.Digest.String()
	}
	if len(k) < numberLen {
		return entries{}, "nobody"
	}
	t, err := decode[ticket.Ticket](c.tx.get(bucketTickets, k[len(k)-numberLen:]))
	if err != nil {
		return entries{}, "ticket " + hexKey(k[len(k)-numberLen:])
	}
	return ticketEntries(&t), "ticket " + t.Number.String()
}

func (c *checker) counters() error {
	err := c.each(bucketCounters, func(k, v []byte) error {
		name, value, ok := strings.Cut(string(k), "\x00")
		if !ok || len(v) != 8 {
			return c.problem(bucketCounters, hexKey(k), "malformed entry")
		}
		id := count{name, value}
		want := c.counts[id]
		delete(c.counts, id)
		if n := binary.BigEndian.Uint64(v); n != uint64(want) {
			return c.problem(bucketCounters, name+" "+value, "is %d, records say %d", n, want)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, want := range c.counts {
		if err := c.problem(bucketCounters, id.name+" "+id.value, "is missing, records say %d", want); err != nil {
			return err
		}
	}
	return nil
}

// contents reads every text and every original.
func (c *checker) contents() error {
	for part := range slices.Chunk(c.messages, 100) {
		var bodies [][]byte
		err := c.s.View(c.ctx, func(tx *Tx) error {
			for _, d := range part {
				bodies = append(bodies, bytes.Clone(tx.get(bucketBodies, d[:])))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, b := range bodies {
			if b == nil {
				continue // said already
			}
			if _, err := decodeBody(b); err != nil {
				if err := c.problem(bucketBodies, part[i].String(), "%v", err); err != nil {
					return err
				}
			}
		}
	}
	for _, d := range c.blobs {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.original(d); err != nil {
			if errors.Is(err, ErrClosed) {
				return err
			}
			if err := c.problem(bucketBlobs, d.String(), "%v", err); err != nil {
				return err
			}
		}
	}
	return nil
}

// original reads one to its end.
func (c *checker) original(d ticket.Digest) error {
	var rec blobRecord
	err := c.s.View(c.ctx, func(tx *Tx) (err error) {
		rec, err = decode[blobRecord](tx.get(bucketBlobs, d[:]))
		return err
	})
	if err != nil {
		return err
	}
	chunks := &chunkReader{s: c.s, rec: rec}
	r, err := newBlobReader(chunks)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	// One byte more than there should be: a damaged frame must not go on forever.
	n, err := io.Copy(ticket.NewCanonicalWriter(h), io.LimitReader(r, min(rec.Size, math.MaxInt64-1)+1))
	switch {
	case err != nil:
		return err
	case n != rec.Size:
		return fmt.Errorf("has %d bytes, should have %d", n, rec.Size)
	case chunks.next != rec.Chunks || chunks.read != rec.Stored:
		return fmt.Errorf("ends in chunk %d of %d at %d of %d bytes", chunks.next, rec.Chunks, chunks.read, rec.Stored)
	case ticket.Digest(h.Sum(nil)) != d:
		return fmt.Errorf("its digest is %x", h.Sum(nil))
	}
	return nil
}

func hexKey(k []byte) string { return fmt.Sprintf("%x", k[:min(len(k), 64)]) }

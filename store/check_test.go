package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"radicado/ticket"
)

// firstKey returns a copy of a bucket's first entry.
func firstKey(tx *bbolt.Tx, b bucket) (k, v []byte) {
	k, v = tx.Bucket([]byte(b)).Cursor().First()
	return bytes.Clone(k), bytes.Clone(v)
}

func dropFirst(b bucket) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		k, _ := firstKey(tx, b)
		return tx.Bucket([]byte(b)).Delete(k)
	}
}

func spoilFirst(b bucket, spoil func(v []byte) []byte) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		k, v := firstKey(tx, b)
		return tx.Bucket([]byte(b)).Put(k, spoil(v))
	}
}

func addKey(b bucket, k, v []byte) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(b)).Put(k, v) }
}

func TestCheckFindsDamage(t *testing.T) {
	order := appendOrder(nil, &ticket.Ticket{Number: ticket.Number{Year: 2026, Seq: 1}})
	digest := bytes.Repeat([]byte{7}, 32)
	cut := func(v []byte) []byte { return v[:len(v)/2] }
	type damage struct {
		name       string
		do         func(tx *bbolt.Tx) error
		bucket     bucket // where a problem must be reported
		what       string // part of its text
		repairable bool
	}
	cases := []damage{
		{"ticket cut", spoilFirst(bucketTickets, cut), bucketTickets, "malformed value", false},
		{"ticket lost", dropFirst(bucketTickets), bucketTickets, "missing", false},
		{"ticket of a later version", spoilFirst(bucketTickets, func(v []byte) []byte { v[0] = 99; return v }), bucketTickets, "malformed value", false},
		{"year too high", spoilFirst(bucketYears, func(v []byte) []byte { return binary.BigEndian.AppendUint32(nil, 99) }), bucketYears, "99", false},
		{"year too low", spoilFirst(bucketYears, func(v []byte) []byte { return binary.BigEndian.AppendUint32(nil, 1) }), bucketYears, "1", true},
		{"year lost", dropFirst(bucketYears), bucketYears, "missing", true},
		{"event lost", dropFirst(bucketEvents), bucketEvents, "missing", false},
		{"event of nobody", addKey(bucketEvents, eventKey(ticket.Number{Year: 1999, Seq: 1}, 1), []byte("\x01{\"seq\":1}")), bucketEvents, "no such ticket", false},
		{"message cut", spoilFirst(bucketMessages, cut), bucketMessages, "malformed value", false},
		{"message lost", dropFirst(bucketMessages), bucketBlobs, "without message", false},
		{"text lost", dropFirst(bucketBodies), bucketMessages, "text is missing", false},
		{"text cut", spoilFirst(bucketBodies, cut), bucketBodies, "malformed value", false},
		{"text of nobody", addKey(bucketBodies, digest, nil), bucketBodies, "without message", false},
		{"outcome cut", spoilFirst(bucketLedger, cut), bucketLedger, "malformed value", false},
		{"outcome under no key", addKey(bucketLedger, []byte{9}, nil), bucketLedger, "malformed key", false},
		{"cursor cut", spoilFirst(bucketCursors, cut), bucketCursors, "malformed value", false},
		{"original lost", dropFirst(bucketBlobs), bucketMessages, "original is missing", false},
		{"chunk lost", dropFirst(bucketChunks), bucketBlobs, "not found", false},
		{"chunk cut", spoilFirst(bucketChunks, cut), bucketBlobs, "", false},
		{"chunk changed", spoilFirst(bucketChunks, func(v []byte) []byte { v[len(v)/2] ^= 1; return v }), bucketBlobs, "", false},
		{"chunk too long", spoilFirst(bucketChunks, func(v []byte) []byte { return append(v, 1) }), bucketBlobs, "", false},
		{"chunk of nobody", addKey(bucketChunks, chunkKey(999, 0), []byte("x")), bucketChunks, "no original", false},
		{"pending", addKey(bucketPending, seqKey(999), []byte("\x01{}")), bucketPending, "unfinished", false},
		{"counter wrong", spoilFirst(bucketCounters, func(v []byte) []byte { return binary.BigEndian.AppendUint64(nil, 99) }), bucketCounters, "99", true},
		{"counter lost", dropFirst(bucketCounters), bucketCounters, "missing", true},
		{"counter of nothing", addKey(bucketCounters, counterKey(count{"type", "x"}), seqKey(1)), bucketCounters, "records say 0", true},
		{"counter malformed", addKey(bucketCounters, []byte("x"), nil), bucketCounters, "malformed", true},
	}
	for _, b := range indexBuckets() {
		extra := slicesConcat([]byte("x"), order)
		cases = append(cases,
			damage{string(b) + " entry lost", dropFirst(b), b, "missing", true},
			damage{string(b) + " entry too much", addKey(b, extra, digest), b, "does not have", true},
			damage{string(b) + " entry differs", spoilFirst(b, func([]byte) []byte { return []byte("zz") }), b, "differs", true},
		)
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.TempDir()+"/radicado.db", Options{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i := 1; i <= 3; i++ {
				mustStoreMail(t, s, i, 400_000*(i%2))
			}
			flagged := testTicket(ticket.Number{Year: 2026, Seq: 2})
			flagged.Review, flagged.Quarantine = true, "cut"
			bulk, bulkDigest := testMail(99, 0)
			w := s.NewBlob(context.Background())
			if _, err := w.Write(bulk); err != nil {
				t.Fatal(err)
			}
			blob, err := w.Finish(bulkDigest)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Update(context.Background(), func(tx *Tx) error {
				m := ticket.Message{Digest: bulkDigest, Filings: []ticket.Filing{{Mailbox: "soporte", Disposition: ticket.DispositionBulk}}}
				if err := tx.AttachBlob(blob); err != nil {
					return err
				}
				if err := tx.PutMessage(&m, nil); err != nil {
					return err
				}
				return tx.PutTicket(&flagged)
			})
			if err != nil {
				t.Fatal(err)
			}
			if problems := mustCheck(t, s); len(problems) > 0 {
				t.Fatalf("before the damage: %v", problems)
			}
			raw(t, s, tc.do)
			found := false
			problems := mustCheck(t, s)
			for _, p := range problems {
				found = found || p.Bucket == string(tc.bucket) && strings.Contains(p.What, tc.what)
			}
			if !found {
				t.Errorf("not found; problems: %v", problems)
			}
			if err := s.Repair(context.Background()); err != nil {
				t.Fatalf("repair: %v", err)
			}
			if problems := mustCheck(t, s); tc.repairable != (len(problems) == 0) {
				t.Errorf("after repair: %v", problems)
			}
			// The store goes on in either case.
			if _, err := s.Tickets(context.Background(), Filter{}); err != nil && tc.repairable {
				t.Error(err)
			}
		})
	}
}

func slicesConcat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestRepairOfSoundStore(t *testing.T) {
	s := openTest(t, Options{})
	for i := 1; i <= 5; i++ {
		mustStoreMail(t, s, i, 100)
	}
	dump := func() map[string]string {
		out := map[string]string{}
		err := s.db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(k, v []byte) error { out[string(name)+"/"+string(k)] = string(v); return nil })
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := dump()
	if err := s.Repair(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := dump()
	if len(before) != len(after) {
		t.Errorf("%d entries before, %d after", len(before), len(after))
	}
	for k, v := range before {
		if after[k] != v {
			t.Errorf("%q changed", k)
		}
	}
	mustStoreMail(t, s, 6, 100)
}

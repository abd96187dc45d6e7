package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"radicado/ticket"
)

// Repair rebuilds all indexes and counters from the records in one transaction.
// A record that cannot be read stays as it is, outside all indexes, and Check
// goes on to report it. Numbers missing in a year are not filled.
func (s *Store) Repair(ctx context.Context) error {
	err := s.Update(ctx, func(tx *Tx) error { return tx.repair(ctx) })
	if err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return nil
}

func (tx *Tx) repair(ctx context.Context) error {
	tx.changes++
	for _, b := range derivedBuckets() {
		if tx.bucket(b) != nil {
			if err := tx.tx.DeleteBucket([]byte(b)); err != nil {
				return fmt.Errorf("empty %s: %w", b, err)
			}
		}
		if _, err := tx.tx.CreateBucket([]byte(b)); err != nil {
			return fmt.Errorf("empty %s: %w", b, err)
		}
	}
	last := map[int]uint32{}
	counts := map[count]int{}
	// They are put in the order of keys: a transaction's pages are split only at
	// its end, so that each put before others' keys would move them all.
	index := map[bucket][]indexEntry{}
	collect := func(e entries) error {
		for _, i := range e.index {
			index[i.bucket] = append(index[i.bucket], i)
		}
		for _, c := range e.counts {
			counts[c]++
		}
		return ctx.Err()
	}
	unread := 0
	err := tx.bucket(bucketTickets).ForEach(func(k, v []byte) error {
		n, err := parseNumberKey(k)
		if err == nil {
			last[n.Year] = max(last[n.Year], n.Seq)
		}
		t, derr := decode[ticket.Ticket](v)
		if err != nil || derr != nil || t.Number != n {
			unread++
			return nil
		}
		return collect(ticketEntries(&t))
	})
	if err != nil {
		return err
	}
	err = tx.bucket(bucketMessages).ForEach(func(k, v []byte) error {
		r, err := decode[messageRecord](v)
		if err != nil || !bytes.Equal(r.Digest[:], k) {
			unread++
			return nil
		}
		return collect(messageEntries(&r))
	})
	if err != nil {
		return err
	}
	err = tx.bucket(bucketLedger).ForEach(func(_, v []byte) error {
		out, err := decode[ticket.Outcome](v)
		if err != nil {
			unread++
			return nil
		}
		return collect(outcomeEntries(&out))
	})
	if err != nil {
		return err
	}
	for b, entries := range index {
		slices.SortFunc(entries, func(a, b indexEntry) int { return bytes.Compare(a.key, b.key) })
		for _, i := range entries {
			if err := tx.put(b, i.key, i.value); err != nil {
				return err
			}
		}
	}
	for c, n := range counts {
		if err := tx.put(bucketCounters, counterKey(c), binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
			return err
		}
	}
	// A number once used must never be given out again.
	for year, n := range last {
		if tx.lastNumber(year) < n {
			if err := tx.put(bucketYears, yearKey(year), binary.BigEndian.AppendUint32(nil, n)); err != nil {
				return err
			}
		}
	}
	if unread > 0 {
		tx.s.o.Logger.Warn("records that cannot be read were left out of the indexes", "count", unread)
	}
	return nil
}

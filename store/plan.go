package store

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"
)

// sortInMemory is how many keys of an attribute's index are read at once to be
// put into another order than the queue's. Where an attribute has more, the
// order's own index is walked and all else filtered.
const sortInMemory = 5000

// plan says which keys a query walks. All walks of one plan yield the same
// places in the same order, whichever index was chosen.
type plan struct {
	sort     Sort
	bucket   bucket
	prefixes [][]byte // each followed by the queue's order, in bucket
	places   [][]byte // sorted beforehand; then bucket is not used
}

// plan chooses the index with the fewest tickets, by the counters.
func (tx *Tx) plan(f Filter) (*plan, error) {
	type choice struct {
		bucket   bucket
		prefixes [][]byte
		tickets  uint64
	}
	var choices []choice
	add := func(b bucket, counter string, prefixes [][]byte, values []string) {
		c := choice{bucket: b, prefixes: prefixes}
		for _, v := range values {
			c.tickets += tx.count(count{counter, v})
		}
		choices = append(choices, c)
	}
	byStrings := func(b bucket, counter string, values []string) {
		slices.Sort(values)
		values = slices.Compact(values)
		prefixes := make([][]byte, len(values))
		for i, v := range values {
			prefixes[i] = appendString(nil, v)
		}
		add(b, counter, prefixes, values)
	}
	if len(f.Status) > 0 {
		byStrings(indexStatus, countStatus, words(f.Status))
	}
	if len(f.Type) > 0 {
		byStrings(indexType, countType, words(f.Type))
	}
	if len(f.Priority) > 0 {
		var bytes []byte
		for _, p := range f.Priority {
			bytes = append(bytes, priorityByte(p))
		}
		slices.Sort(bytes)
		bytes = slices.Compact(bytes)
		prefixes, values := make([][]byte, len(bytes)), make([]string, len(bytes))
		for i, b := range bytes {
			prefixes[i], values[i] = []byte{b}, strconv.Itoa(int(b))
		}
		add(indexPriority, countPriority, prefixes, values)
	}
	if f.Mailbox != "" {
		byStrings(indexMailbox, countMailboxTickets, []string{f.Mailbox})
	}
	if f.Assignee != nil {
		byStrings(indexAssignee, countAssignee, []string{*f.Assignee})
	}
	if f.Review != nil && *f.Review {
		add(indexReview, countReview, [][]byte{nil}, []string{""})
	}
	if f.Quarantined != nil && *f.Quarantined {
		add(indexQuarantined, countQuarantined, [][]byte{nil}, []string{""})
	}
	best := choice{bucket: indexQueue, prefixes: [][]byte{nil}, tickets: tx.count(count{countTickets, ""})}
	for _, c := range choices {
		if c.tickets < best.tickets {
			best = c
		}
	}
	p := &plan{sort: f.Sort, bucket: best.bucket, prefixes: best.prefixes}
	if f.Sort == SortQueue {
		return p, nil
	}
	if best.bucket == indexQueue || best.tickets > sortInMemory {
		p.bucket = bucketTickets
		if f.Sort == SortDue {
			p.bucket = indexDue
		}
		p.prefixes = [][]byte{nil}
		return p, nil
	}
	p.places = [][]byte{}
	for _, prefix := range best.prefixes {
		c := tx.bucket(best.bucket).Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if len(k) != len(prefix)+orderLen {
				return nil, fmt.Errorf("%s %x: %w", best.bucket, k, errKey)
			}
			order := k[len(prefix):]
			if f.Sort == SortDue {
				p.places = append(p.places, bytes.Clone(order[2:]))
			} else {
				p.places = append(p.places, bytes.Clone(order[2+timeLen:]))
			}
		}
	}
	slices.SortFunc(p.places, bytes.Compare)
	if f.Sort == SortNumber {
		slices.Reverse(p.places)
	}
	return p, nil
}

func words[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// walk returns a function that yields the places behind after, one a call. The
// places are copies and outlive the transaction.
func (p *plan) walk(tx *Tx, after []byte) func() ([]byte, bool) {
	switch {
	case p.places != nil:
		rest := p.places
		if after != nil {
			i, found := slices.BinarySearchFunc(rest, after, func(a, b []byte) int {
				if p.sort == SortNumber {
					return bytes.Compare(b, a)
				}
				return bytes.Compare(a, b)
			})
			if found {
				i++
			}
			rest = rest[i:]
		}
		return func() ([]byte, bool) {
			if len(rest) == 0 {
				return nil, false
			}
			place := rest[0]
			rest = rest[1:]
			return place, true
		}
	case p.sort == SortNumber:
		c := tx.bucket(p.bucket).Cursor()
		k, _ := seekBefore(c, after)
		return func() ([]byte, bool) {
			if len(k) != numberLen {
				return nil, false
			}
			place := bytes.Clone(k)
			k, _ = c.Prev()
			return place, true
		}
	}
	return p.merge(tx, after)
}

// merge yields the places under several prefixes of one index in one order.
func (p *plan) merge(tx *Tx, after []byte) func() ([]byte, bool) {
	type head struct {
		c      *bbolt.Cursor
		prefix []byte
		place  []byte // nil at the end
	}
	want := placeLen(p.sort)
	heads := make([]*head, 0, len(p.prefixes))
	set := func(h *head, k []byte) {
		h.place = nil
		if k != nil && bytes.HasPrefix(k, h.prefix) && len(k) == len(h.prefix)+want {
			h.place = k[len(h.prefix):]
		}
	}
	for _, prefix := range p.prefixes {
		h := &head{c: tx.bucket(p.bucket).Cursor(), prefix: prefix}
		start := append(bytes.Clone(prefix), after...)
		k, _ := h.c.Seek(start)
		if after != nil && bytes.Equal(k, start) {
			k, _ = h.c.Next()
		}
		set(h, k)
		heads = append(heads, h)
	}
	return func() ([]byte, bool) {
		var first *head
		for _, h := range heads {
			if h.place != nil && (first == nil || bytes.Compare(h.place, first.place) < 0) {
				first = h
			}
		}
		if first == nil {
			return nil, false
		}
		place := bytes.Clone(first.place)
		k, _ := first.c.Next()
		set(first, k)
		return place, true
	}
}

// seekBefore puts a cursor on the last key before the given one, or on the last
// of all where that is nil.
func seekBefore(c *bbolt.Cursor, before []byte) (k, v []byte) {
	if before == nil {
		return c.Last()
	}
	if k, _ := c.Seek(before); k == nil {
		return c.Last()
	}
	return c.Prev()
}

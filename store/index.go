package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"radicado/ticket"
)

// entries is everything that the indexes and counters hold because of one
// record. A change of the record is applied as the difference of two.
type entries struct {
	index  []indexEntry
	counts []count
}

type indexEntry struct {
	bucket     bucket
	key, value []byte
}

type count struct {
	name  string // see counterKey
	value string
}

func (e *entries) add(b bucket, key, value []byte) {
	e.index = append(e.index, indexEntry{b, key, value})
}

func (e *entries) count(name, value string) { e.counts = append(e.counts, count{name, value}) }

// checkedTicketEntries refuses strings that do not fit a key.
func checkedTicketEntries(t *ticket.Ticket) (entries, error) {
	err := errors.Join(checkName("mailbox", t.Mailbox), checkName("type", string(t.Type)), checkName("status", string(t.Status)),
		checkName("assignee", t.Assignee))
	for _, m := range t.AlsoIn {
		err = errors.Join(err, checkName("mailbox", m))
	}
	if err != nil {
		return entries{}, err
	}
	return ticketEntries(t), nil
}

func ticketEntries(t *ticket.Ticket) entries {
	var e entries
	order := appendOrder(nil, t)
	withOrder := func(prefix []byte) []byte { return append(prefix, order...) }
	priority := priorityByte(t.Priority)
	e.add(indexQueue, order, nil)
	e.add(indexDue, order[2:], []byte{order[0], order[1]})
	e.add(indexMailbox, withOrder(appendString(nil, t.Mailbox)), nil)
	for _, m := range t.AlsoIn { // found there too, counted once
		e.add(indexMailbox, withOrder(appendString(nil, m)), nil)
	}
	e.add(indexType, withOrder(appendString(nil, string(t.Type))), nil)
	e.add(indexStatus, withOrder(appendString(nil, string(t.Status))), nil)
	e.add(indexPriority, withOrder([]byte{priority}), nil)
	e.add(indexAssignee, withOrder(appendString(nil, t.Assignee)), nil)
	e.add(indexText, numberKey(t.Number), ticketText(t))
	e.count(countTickets, "")
	e.count(countMailboxTickets, t.Mailbox)
	e.count(countType, string(t.Type))
	e.count(countStatus, string(t.Status))
	e.count(countPriority, strconv.Itoa(int(priority)))
	e.count(countAssignee, t.Assignee)
	if t.Status.Open() {
		e.count(countOpen, "")
	}
	if t.Review {
		e.add(indexReview, order, nil)
		e.count(countReview, "")
	}
	if t.Quarantine != "" {
		e.add(indexQuarantined, order, nil)
		e.count(countQuarantined, "")
	}
	return e
}

func messageEntries(r *messageRecord) entries {
	var e entries
	digest := bytes.Clone(r.Digest[:])
	e.count(countMessages, "")
	if r.Mail.MessageID != "" {
		e.add(indexMessageID, binary.BigEndian.AppendUint64(messageIDKey(r.Mail.MessageID), r.Seq), digest)
	}
	if !r.Content.IsZero() {
		e.add(indexContent, binary.BigEndian.AppendUint64(bytes.Clone(r.Content[:]), r.Seq), digest)
	}
	threads := map[ticket.Number]bool{}
	for i, f := range r.Filings {
		e.count(countMailboxMessages, f.Mailbox)
		e.count(countDisposition, string(f.Disposition))
		// Two filings of one message in one ticket are one entry of its thread;
		// the zero number stands for the unfiled list.
		if i >= len(r.Filed) || threads[f.Ticket] {
			continue
		}
		threads[f.Ticket] = true
		if f.Ticket.IsZero() {
			e.add(indexUnfiled, seqKey(r.Filed[i]), digest)
		} else {
			e.add(indexThread, eventKey(f.Ticket, r.Filed[i]), digest)
		}
	}
	return e
}

// outcomeEntries counts a duplicate: all other outcomes are filings of a
// message and counted there.
func outcomeEntries(o *ticket.Outcome) entries {
	var e entries
	if o.Disposition == ticket.DispositionDuplicate {
		e.count(countDisposition, string(o.Disposition))
	}
	return e
}

// apply makes the indexes and counters hold is instead of was.
func (tx *Tx) apply(was, is entries) error {
	old := make(map[string][]byte, len(was.index))
	for _, e := range was.index {
		old[string(e.bucket)+"\x00"+string(e.key)] = e.value
	}
	kept := make(map[string]bool, len(is.index))
	for _, e := range is.index {
		id := string(e.bucket) + "\x00" + string(e.key)
		kept[id] = true
		if v, ok := old[id]; ok && bytes.Equal(v, e.value) {
			continue
		}
		if err := tx.put(e.bucket, e.key, e.value); err != nil {
			return err
		}
	}
	for _, e := range was.index {
		if kept[string(e.bucket)+"\x00"+string(e.key)] {
			continue
		}
		if err := tx.delete(e.bucket, e.key); err != nil {
			return err
		}
	}
	diff := map[count]int{}
	for _, c := range was.counts {
		diff[c]--
	}
	for _, c := range is.counts {
		diff[c]++
	}
	for c, n := range diff {
		if n == 0 {
			continue
		}
		if err := tx.addCount(c, n); err != nil {
			return fmt.Errorf("count %s %q: %w", c.name, c.value, err)
		}
	}
	return nil
}

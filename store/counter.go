package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"radicado/ticket"
)

// Names of counters.
const (
	countMessages        = "messages"
	countTickets         = "tickets"
	countOpen            = "open"
	countReview          = "review"
	countQuarantined     = "quarantined"
	countMailboxMessages = "mailbox.messages"
	countMailboxTickets  = "mailbox.tickets"
	countType            = "type"
	countStatus          = "status"
	countPriority        = "priority"
	countAssignee        = "assignee"
	countDisposition     = "disposition"
)

func counterKey(c count) []byte { return []byte(c.name + "\x00" + c.value) }

func (tx *Tx) count(c count) uint64 {
	v := tx.get(bucketCounters, counterKey(c))
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// addCount adds n to a counter; one at zero is not kept. A counter that would
// fall below zero is wrong already: it stays at zero, Check tells and Repair
// mends, and the mail at hand is not lost for it.
func (tx *Tx) addCount(c count, n int) error {
	v := int64(tx.count(c)) + int64(n)
	if v <= 0 {
		return tx.delete(bucketCounters, counterKey(c))
	}
	return tx.put(bucketCounters, counterKey(c), binary.BigEndian.AppendUint64(nil, uint64(v)))
}

// Stats is the desk in figures. Its JSON is the contract of `radicado stats`
// and GET /api/v1/stats. Maps hold only what occurs.
type Stats struct {
	Messages      int                        `json:"messages"`
	Tickets       int                        `json:"tickets"`
	Quarantined   int                        `json:"quarantined"` // tickets now in quarantine
	Review        int                        `json:"review"`      // tickets flagged for review
	Open          int                        `json:"open"`        // tickets with work to be done
	ByMailbox     map[string]MailboxStats    `json:"by_mailbox"`
	ByDisposition map[ticket.Disposition]int `json:"by_disposition"` // of mails met
	ByType        map[ticket.Type]int        `json:"by_type"`
	ByPriority    map[string]int             `json:"by_priority"` // "1" to "4"
	ByStatus      map[ticket.Status]int      `json:"by_status"`
}

// MailboxStats counts one mailbox.
type MailboxStats struct {
	Messages int `json:"messages"` // that arrived here, each once
	Tickets  int `json:"tickets"`  // opened here
}

// Stats reads the counters, whose number does not grow with the desk's.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{
		ByMailbox:     map[string]MailboxStats{},
		ByDisposition: map[ticket.Disposition]int{},
		ByType:        map[ticket.Type]int{},
		ByPriority:    map[string]int{},
		ByStatus:      map[ticket.Status]int{},
	}
	err := s.View(ctx, func(tx *Tx) error {
		return tx.bucket(bucketCounters).ForEach(func(k, v []byte) error {
			name, value, ok := bytes.Cut(k, []byte{0})
			if !ok || len(v) != 8 {
				return fmt.Errorf("counter %q: %w", k, errValue)
			}
			n := int(binary.BigEndian.Uint64(v))
			key := string(value)
			switch string(name) {
			case countMessages:
				st.Messages = n
			case countTickets:
				st.Tickets = n
			case countOpen:
				st.Open = n
			case countReview:
				st.Review = n
			case countQuarantined:
				st.Quarantined = n
			case countMailboxMessages:
				m := st.ByMailbox[key]
				m.Messages = n
				st.ByMailbox[key] = m
			case countMailboxTickets:
				m := st.ByMailbox[key]
				m.Tickets = n
				st.ByMailbox[key] = m
			case countType:
				st.ByType[ticket.Type(key)] = n
			case countStatus:
				st.ByStatus[ticket.Status(key)] = n
			case countPriority:
				st.ByPriority[key] = n
			case countDisposition:
				st.ByDisposition[ticket.Disposition(key)] = n
			}
			return nil
		})
	})
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	return st, nil
}

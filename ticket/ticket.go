package ticket

import (
	"slices"
	"time"
)

// Ticket is a request of a customer and where it stands. It changes only
// through [Open], [Ticket.Join] and [Ticket.Apply], which return the events to
// be recorded with it.
type Ticket struct {
	Number         Number         `json:"number"`
	Mailbox        string         `json:"mailbox"`           // whose desk answers it: where it first arrived, unless [Ticket.Share] moved it
	AlsoIn         []string       `json:"also_in,omitempty"` // further mailboxes that its first mail came to
	Status         Status         `json:"status"`
	Type           Type           `json:"type"`
	Priority       Priority       `json:"priority"`
	Assignee       string         `json:"assignee"`   // a lead's login, "" if nobody's
	Review         bool           `json:"review"`     // a lead should confirm what the program decided
	Quarantine     string         `json:"quarantine"` // why the mail could not be trusted; "" if sound or released
	Subject        string         `json:"subject"`
	Customer       Address        `json:"customer"`     // author of the first message
	Participants   []string       `json:"participants"` // addresses that may join by number, lower case, at most [MaxParticipants]
	Language       string         `json:"language"`
	Term           Term           `json:"term"`
	ReceivedAt     time.Time      `json:"received_at"` // when our mail server took the first message
	Due            time.Time      `json:"due"`
	CreatedAt      time.Time      `json:"created_at"`
	UpdatedAt      time.Time      `json:"updated_at"`
	ClosedAt       *time.Time     `json:"closed_at"` // of the last change to resuelto or cerrado; nil while open
	Messages       int            `json:"messages"`  // how many joined, the first included
	Attachments    int            `json:"attachments"`
	Links          []Link         `json:"links"`
	Classification Classification `json:"classification"` // what the program decided at first

	// ReceiptBy is the ticket that acknowledges this one's first mail, which had
	// come to another mailbox before; zero where the ticket does so itself. One
	// mail is so acknowledged once, however many tickets it opened.
	ReceiptBy Number `json:"receipt_by,omitzero"`
}

// MaxParticipants bounds how many addresses of a ticket may join it by its
// number, so that a mail with thousands of recipients does not swell it.
const MaxParticipants = 100

// MaxLinks bounds a ticket's links, so that mails which merely claim to belong
// to it cannot swell it.
const MaxLinks = 50

// Link joins a ticket to another without making them one.
type Link struct {
	Number Number   `json:"number"`
	Kind   LinkKind `json:"kind"`
}

// LinkKind says why two tickets are linked.
type LinkKind string

// The kinds of link.
const (
	LinkSameMail LinkKind = "same-mail" // one mail came to both mailboxes
	LinkClaimed  LinkKind = "claimed"   // a mail named the other ticket but may not join it
	LinkFollows  LinkKind = "follows"   // answers a ticket closed long ago
)

// HasLink reports whether t is linked to n.
func (t *Ticket) HasLink(n Number) bool {
	return slices.ContainsFunc(t.Links, func(l Link) bool { return l.Number == n })
}

// HasParticipant reports whether the address, in lower case, is a participant.
func (t *Ticket) HasParticipant(address string) bool {
	return slices.Contains(t.Participants, address)
}

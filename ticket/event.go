package ticket

import "time"

// EventKind names what happened to a ticket.
type EventKind string

// The kinds of event.
const (
	EventOpened   EventKind = "opened"   // by its first message
	EventMessage  EventKind = "message"  // a further message joined
	EventType     EventKind = "type"     //
	EventPriority EventKind = "priority" //
	EventStatus   EventKind = "status"   //
	EventAssignee EventKind = "assignee" //
	EventReview   EventKind = "review"   // the review flag was set or cleared
	EventDue      EventKind = "due"      // the due date changed with type or priority
	EventLink     EventKind = "link"     // To is the other ticket
	EventRelease  EventKind = "release"  // left quarantine
	EventCopy     EventKind = "copy"     // the first mail also came to the mailbox To
	EventMailbox  EventKind = "mailbox"  // went to the desk of another mailbox
)

// Event is one entry of a ticket's history. It is never changed or removed.
type Event struct {
	Seq     uint64    `json:"seq"` // within the ticket, from 1; given by the store
	At      time.Time `json:"at"`
	Actor   Actor     `json:"actor"`
	Kind    EventKind `json:"kind"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Message *Digest   `json:"message,omitempty"`
}

// Actor is who did something.
type Actor struct {
	Kind ActorKind `json:"kind"`
	Name string    `json:"name,omitempty"` // a lead's login or a customer's address
}

// ActorKind says what an actor is.
type ActorKind string

// The kinds of actor.
const (
	ActorSystem   ActorKind = "system"
	ActorLead     ActorKind = "lead"
	ActorCustomer ActorKind = "customer"
)

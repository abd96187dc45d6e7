package ticket

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrTransition is returned by [Ticket.Apply] for a status that the present
// one cannot become.
var ErrTransition = errors.New("status change not allowed")

// ErrNoReason is returned by [Ticket.Apply] where a correction lacks a reason.
var ErrNoReason = errors.New("a reason is needed")

// ErrRequeue is wrapped by the reasons why a quarantined ticket's original
// cannot be read again, or is no better for it.
var ErrRequeue = errors.New("not requeued")

// ReasonRequeued is the reason of the events of [Ticket.Requeue].
const ReasonRequeued = "the original was read again and is sound"

// Opening is what a new ticket is made of.
type Opening struct {
	Number         Number
	Mail           *Mail
	Filing         Filing
	Digest         Digest
	Classification Classification
	Links          []Link
	Review         string // why a lead should look, "" if only the classification decides
	ReceiptBy      Number // see [Ticket]
}

// Open makes a ticket from its first message and returns it with its first
// events. It is a pure function of its arguments.
func Open(o Opening, terms Terms) (Ticket, []Event) {
	c := o.Classification
	deadline := terms(TermRequest{
		Mailbox: o.Filing.Mailbox, Code: c.Term, Type: c.Type, Priority: c.Priority, ReceivedAt: o.Filing.ReceivedAt,
	})
	t := Ticket{
		Number:         o.Number,
		Mailbox:        o.Filing.Mailbox,
		Status:         Nuevo,
		Type:           c.Type,
		Priority:       c.Priority,
		Review:         c.Review || o.Review != "" || o.Filing.Junk || o.Mail.Quarantine != "",
		Quarantine:     o.Mail.Quarantine,
		Subject:        o.Mail.Subject,
		Customer:       o.Mail.From,
		Language:       o.Mail.Language,
		Term:           deadline.Term,
		Due:            deadline.Due,
		ReceivedAt:     o.Filing.ReceivedAt,
		CreatedAt:      o.Filing.StoredAt,
		UpdatedAt:      o.Filing.StoredAt,
		Messages:       1,
		Attachments:    len(o.Mail.Attachments),
		Links:          o.Links,
		ReceiptBy:      o.ReceiptBy,
		Classification: c,
	}
	t.addParticipants(o.Mail)
	customer := Actor{Kind: ActorCustomer, Name: o.Mail.From.Address}
	system := Actor{Kind: ActorSystem}
	events := []Event{{At: o.Filing.StoredAt, Actor: customer, Kind: EventOpened, To: string(t.Status), Reason: o.Filing.Reason, Message: &o.Digest}}
	for _, l := range o.Links {
		events = append(events, Event{At: o.Filing.StoredAt, Actor: system, Kind: EventLink, To: l.Number.String(), Reason: string(l.Kind)})
	}
	if o.Review != "" {
		events = append(events, Event{At: o.Filing.StoredAt, Actor: system, Kind: EventReview, To: "true", Reason: o.Review})
	}
	if o.Filing.Junk {
		events = append(events, o.Filing.junkEvent())
	}
	return t, events
}

// Join adds a further message to the ticket. A customer's reply reopens what
// waited for him or was done; an automatic mail changes no status. A reply that
// by itself would be more urgent than the ticket flags it for review.
func (t Ticket) Join(m *Mail, f Filing, d Digest, c Classification) (Ticket, []Event) {
	customer := Actor{Kind: ActorCustomer, Name: m.From.Address}
	system := Actor{Kind: ActorSystem}
	t.Messages++
	t.Attachments += len(m.Attachments)
	t.UpdatedAt = f.StoredAt
	events := []Event{{At: f.StoredAt, Actor: customer, Kind: EventMessage, To: string(f.Disposition), Reason: f.Reason, Message: &d}}
	if f.Disposition != DispositionReply {
		return t, events
	}
	if f.Junk && !t.Review {
		t.Review = true
		events = append(events, f.junkEvent())
	}
	t.Participants = slices.Clone(t.Participants)
	t.addParticipants(m)
	if next := t.Status.OnReply(); next != t.Status {
		events = append(events, Event{At: f.StoredAt, Actor: customer, Kind: EventStatus, From: string(t.Status), To: string(next), Reason: "the customer wrote again"})
		t.Status = next
		t.ClosedAt = nil
	}
	if c.Priority.Valid() && c.Priority < t.Priority && c.Priority <= Alta && !t.Review {
		t.Review = true
		events = append(events, Event{At: f.StoredAt, Actor: system, Kind: EventReview, To: "true",
			Reason: fmt.Sprintf("the reply alone would be priority %d, the ticket is %d", c.Priority, t.Priority)})
	}
	return t, events
}

// junkEvent flags a ticket for review for a mail that lay with the spam.
func (f *Filing) junkEvent() Event {
	return Event{At: f.StoredAt, Actor: Actor{Kind: ActorSystem}, Kind: EventReview, To: "true",
		Reason: fmt.Sprintf("the mail was in the spam folder %s", f.Origin.Folder)}
}

// Link links the ticket to another one. Linking twice changes nothing, nor does
// a link beyond [MaxLinks].
func (t Ticket) Link(l Link, at time.Time) (Ticket, []Event) {
	if t.HasLink(l.Number) || l.Number == t.Number || len(t.Links) >= MaxLinks {
		return t, nil
	}
	t.Links = append(slices.Clone(t.Links), l)
	t.UpdatedAt = at
	return t, []Event{{At: at, Actor: Actor{Kind: ActorSystem}, Kind: EventLink, To: l.Number.String(), Reason: string(l.Kind)}}
}

// Change is what a lead wants of a ticket; nil fields stay as they are.
type Change struct {
	Type     *Type     `json:"type,omitempty"`
	Priority *Priority `json:"priority,omitempty"`
	Term     *TermCode `json:"term,omitempty"` // a legal sub-type; without it a new type takes its default
	Status   *Status   `json:"status,omitempty"`
	Assignee *string   `json:"assignee,omitempty"` // "" takes it from everybody
	Review   *bool     `json:"review,omitempty"`
	Release  bool      `json:"release,omitempty"` // out of quarantine
	Reason   string    `json:"reason,omitempty"`  // needed for type, priority, term and release
}

// Empty reports whether the change asks for nothing.
func (c Change) Empty() bool {
	return c.Type == nil && c.Priority == nil && c.Term == nil && c.Status == nil && c.Assignee == nil && c.Review == nil && !c.Release
}

// Apply returns the ticket as changed by a person and the events that record
// it; no event means that nothing changed. A new type or priority gets a new
// deadline, counted from the first arrival as ever. It fails with
// [ErrTransition], [ErrNoReason], or on values that are not [Type.Valid] and
// the like; the ticket is then as before.
func (t Ticket) Apply(c Change, by Actor, at time.Time, terms Terms) (Ticket, []Event, error) {
	was := t
	reason := strings.TrimSpace(c.Reason)
	var events []Event
	record := func(k EventKind, from, to string) {
		if from != to {
			events = append(events, Event{At: at, Actor: by, Kind: k, From: from, To: to, Reason: reason})
		}
	}
	if c.Type != nil && *c.Type != t.Type {
		if !c.Type.Valid() {
			return was, nil, fmt.Errorf("type %q: want one of %s", *c.Type, joinWords(Types()))
		}
		record(EventType, string(t.Type), string(*c.Type))
		t.Type = *c.Type
		t.Term.Code = DefaultTerm(t.Type)
	}
	if c.Term != nil && *c.Term != t.Term.Code {
		if !slices.Contains(TermCodes(), *c.Term) {
			return was, nil, fmt.Errorf("term %q: want one of %s", *c.Term, joinWords(TermCodes()))
		}
		t.Term.Code = *c.Term
	}
	if c.Priority != nil && *c.Priority != t.Priority {
		if !c.Priority.Valid() {
			return was, nil, fmt.Errorf("priority %d: want 1 to 4", *c.Priority)
		}
		record(EventPriority, strconv.Itoa(int(t.Priority)), strconv.Itoa(int(*c.Priority)))
		t.Priority = *c.Priority
	}
	if t.Type != was.Type || t.Priority != was.Priority || t.Term.Code != was.Term.Code {
		if reason == "" {
			return was, nil, fmt.Errorf("correct type, priority or term: %w", ErrNoReason)
		}
		d := t.deadline(terms)
		t.Term, t.Due = d.Term, d.Due
		record(EventDue, dueText(was), dueText(t))
	}
	if c.Status != nil && *c.Status != t.Status {
		if !c.Status.Valid() {
			return was, nil, fmt.Errorf("status %q: want one of %s", *c.Status, joinWords(Statuses()))
		}
		if !t.Status.CanBecome(*c.Status) {
			return was, nil, fmt.Errorf("from %s to %s (allowed: %s): %w", t.Status, *c.Status, joinWords(t.Status.Next()), ErrTransition)
		}
		record(EventStatus, string(t.Status), string(*c.Status))
		t.Status = *c.Status
		t.ClosedAt = nil
		if t.Status == Resuelto || t.Status == Cerrado {
			t.ClosedAt = &at
		}
	}
	if c.Assignee != nil {
		name := strings.TrimSpace(*c.Assignee)
		record(EventAssignee, t.Assignee, name)
		t.Assignee = name
	}
	if c.Review != nil {
		record(EventReview, strconv.FormatBool(t.Review), strconv.FormatBool(*c.Review))
		t.Review = *c.Review
	}
	if c.Release && t.Quarantine != "" {
		if reason == "" {
			return was, nil, fmt.Errorf("release from quarantine: %w", ErrNoReason)
		}
		record(EventRelease, t.Quarantine, "")
		t.Quarantine = ""
	}
	if len(events) == 0 {
		return was, nil, nil
	}
	t.UpdatedAt = at
	return t, events, nil
}

// addParticipants lets the author and the people he wrote to join by number.
func (t *Ticket) addParticipants(m *Mail) {
	add := func(a Address) {
		address := strings.ToLower(a.Address)
		if address != "" && len(t.Participants) < MaxParticipants && !t.HasParticipant(address) {
			t.Participants = append(t.Participants, address)
		}
	}
	add(m.From)
	for _, list := range [][]Address{m.ReplyTo, m.Cc, m.To} {
		for _, a := range list {
			add(a)
		}
	}
}

// Requeue returns a quarantined ticket after its original was read again and
// found sound, and the events that record it. Subject, customer, language and
// classification are those of the new reading; type, priority and term follow
// it unless a lead has changed them. The review flag stays for a person to
// clear. Was is the mail as read before. It is a pure function.
func (t Ticket) Requeue(was, m *Mail, d Digest, c Classification, by Actor, at time.Time, terms Terms) (Ticket, []Event) {
	before := t
	reason := ReasonRequeued
	events := []Event{{At: at, Actor: by, Kind: EventRelease, From: t.Quarantine, Reason: reason, Message: &d}}
	record := func(k EventKind, from, to string) {
		if from != to {
			events = append(events, Event{At: at, Actor: by, Kind: k, From: from, To: to, Reason: reason})
		}
	}
	untouched := t.uncorrected()
	t.Quarantine = ""
	t.Subject, t.Customer, t.Language = m.Subject, m.From, m.Language
	t.Attachments += len(m.Attachments) - len(was.Attachments)
	t.Classification = c
	t.Participants = slices.Clone(t.Participants)
	t.addParticipants(m)
	if untouched {
		t.Type, t.Priority = c.Type, c.Priority
		t.Term.Code = c.Term
		deadline := t.deadline(terms)
		t.Term, t.Due = deadline.Term, deadline.Due
		record(EventType, string(before.Type), string(t.Type))
		record(EventPriority, strconv.Itoa(int(before.Priority)), strconv.Itoa(int(t.Priority)))
		record(EventDue, dueText(before), dueText(t))
	}
	t.UpdatedAt = at
	return t, events
}

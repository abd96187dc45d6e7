package ticket

import (
	"slices"
	"strconv"
	"time"
)

// Share records on t that its first mail came to a further mailbox too, where
// no ticket of its own is wanted. C is the classification of the mail as read
// for that mailbox; petitions tells which mailboxes belong to the desk that
// answers peticiones, quejas, reclamos, sugerencias and apelaciones.
//
// So that it does not matter which copy is taken first: a type of PQRSA by
// either reading stands, so that its legal term runs; the more urgent priority
// stands; the term counts from the earlier arrival and by the stricter of the
// mailboxes' hours; the ticket lies in the mailbox of the desk that its type
// belongs to, or where that decides nothing in the one that it first came to.
// Readings that disagree flag it for review. What a lead has corrected stays.
// It is a pure function.
func (t Ticket) Share(f Filing, d Digest, c Classification, petitions func(mailbox string) bool, terms Terms) (Ticket, []Event) {
	before := t
	events := []Event{{At: f.StoredAt, Actor: Actor{Kind: ActorSystem}, Kind: EventCopy, To: f.Mailbox, Reason: f.Reason, Message: &d}}
	record := func(k EventKind, from, to, reason string) {
		if from != to {
			events = append(events, Event{At: f.StoredAt, Actor: Actor{Kind: ActorSystem}, Kind: k, From: from, To: to, Reason: reason})
		}
	}
	t.UpdatedAt = f.StoredAt
	t.AlsoIn = append(slices.Clone(t.AlsoIn), f.Mailbox)
	if f.ReceivedAt.Before(t.ReceivedAt) {
		t.ReceivedAt = f.ReceivedAt
	}
	old := t.Classification
	if c.Type.Valid() && old.Type.Valid() && t.uncorrected() {
		here, there := c, old
		// The reading for the petitions desk stands if it is one of PQRSA, else
		// the other one.
		if c.Type.PQRSA() != old.Type.PQRSA() && old.Type.PQRSA() ||
			c.Type.PQRSA() == old.Type.PQRSA() && petitions(f.Mailbox) != c.Type.PQRSA() ||
			c.Type.PQRSA() == old.Type.PQRSA() && petitions(f.Mailbox) == petitions(t.Mailbox) {
			here, there = old, c
		}
		here.Review = here.Review || there.Review || here.Type != there.Type || here.Priority != there.Priority
		if there.Priority.Valid() && there.Priority < here.Priority {
			here.Priority = there.Priority
		}
		t.Classification = here
		t.Type, t.Priority, t.Term.Code = here.Type, here.Priority, here.Term
		if here.Review && !t.Review {
			t.Review = true
			record(EventReview, "", "true", reasonReadings)
		}
		record(EventType, string(before.Type), string(t.Type), reasonReadings)
		record(EventPriority, strconv.Itoa(int(before.Priority)), strconv.Itoa(int(t.Priority)), reasonReadings)
	}
	if t.Type.PQRSA() != petitions(t.Mailbox) && t.Type.PQRSA() == petitions(f.Mailbox) {
		i := len(t.AlsoIn) - 1
		t.Mailbox, t.AlsoIn[i] = f.Mailbox, t.Mailbox
		record(EventMailbox, before.Mailbox, t.Mailbox, reasonDesk)
	}
	due := t.deadline(terms)
	if t.Type != before.Type || t.Priority != before.Priority || t.Term.Code != before.Term.Code || due.Due.Before(t.Due) {
		t.Term, t.Due = due.Term, due.Due
		record(EventDue, dueText(before), dueText(t), reasonStricter)
	}
	return t, events
}

// Reasons of [Ticket.Share].
const (
	reasonReadings = "the same mail was read for both mailboxes"
	reasonDesk     = "its type belongs to that desk"
	reasonStricter = "the stricter of both mailboxes"
)

// uncorrected reports whether type, priority and term are as classified.
func (t *Ticket) uncorrected() bool {
	c := t.Classification
	return t.Type == c.Type && t.Priority == c.Priority && (t.Term.Code == c.Term || c.Term == "")
}

// deadline is the earliest among the mailboxes that the first mail came to.
func (t *Ticket) deadline(terms Terms) Deadline {
	r := TermRequest{Mailbox: t.Mailbox, Code: t.Term.Code, Type: t.Type, Priority: t.Priority, ReceivedAt: t.ReceivedAt}
	best := terms(r)
	for _, r.Mailbox = range t.AlsoIn {
		if d := terms(r); d.Due.Before(best.Due) {
			best = d
		}
	}
	return best
}

func dueText(t Ticket) string {
	return t.Due.In(Bogota).Format(time.RFC3339) + " " + string(t.Term.Code)
}

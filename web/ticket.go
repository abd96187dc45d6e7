package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"radicado/ticket"
)

// The bounds of what one page shows of a thread; all of it stays in the store.
const (
	maxNewText    = 64 << 10  // bytes of a message's new text
	maxWholeText  = 256 << 10 // bytes of a message's whole text
	maxThreadText = 2 << 20   // bytes of all texts of a page
	maxAddresses  = 20        // addresses of one header field
	maxFiles      = 200       // attachments of one message
	maxEvents     = 500       // events of a ticket, the latest
)

// ticketPage is the page of one ticket.
type ticketPage struct {
	page
	queueRow
	Phone      string
	Quarantine string
	Language   string
	FiledOn    string
	Term       string // its name
	TermLength string
	TermRule   string
	Closed     instant
	Links      []linkRow
	Thread     []messageBlock
	Decision   decision
	Events     []eventRow
	Omitted    int // events not shown
}

type linkRow struct{ Number, Words string }

// messageBlock is a message of the thread.
type messageBlock struct {
	ID                                string
	From, Address, To, Cc, Subject    string
	Kind                              string
	Automatic                         bool
	Received                          instant
	Sent                              string // the sender's claim, where it is another day
	NewText, WholeText                string
	Cut                               bool // not all of the text is shown
	Files                             []fileRow
	MoreFiles                         int
	Authentication, Warnings, Bounced []string
	Size                              string
	Digest                            string
	Reason                            string
}

type fileRow struct {
	Name, Kind, ContentType, Size string
	Inline                        bool
}

// decision is what the program decided at first, with its reasons.
type decision struct {
	Type, TypeConfidence, Priority, PriorityConfidence string
	Corrected                                          bool // a lead has changed it
	Reasons                                            []reasonRow
}

type reasonRow struct {
	Source, Name, Evidence, Weight string
}

type eventRow struct {
	At                  instant
	What, Actor, Reason string
}

func (h *handler) ticket(w http.ResponseWriter, r *http.Request) {
	d, err := h.detail(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, okStatus, "ticket", h.ticketPage(d))
}

func (h *handler) ticketPage(d ticket.Detail) ticketPage {
	now := h.o.Now()
	p := ticketPage{
		page:       h.page("Radicado " + d.Number.String()),
		queueRow:   rowOf(&d.Ticket, now),
		Phone:      h.o.CriticalPhone,
		Quarantine: line(reasonWords(d.Quarantine), 300),
		Language:   languageWord(line(d.Language, 20)),
		Term:       termWord(d.Term.Code),
		TermLength: lengthWords(d.Term),
		TermRule:   d.Term.Rule,
		Decision:   decisionOf(&d.Ticket),
	}
	p.queueRow.Subject = line(d.Ticket.Subject, 1000)
	if day, err := d.FiledOn.Time(); err == nil {
		p.FiledOn = dayWords(day, now)
	}
	if d.ClosedAt != nil {
		p.Closed = instantOf(*d.ClosedAt, now)
	}
	for _, l := range d.Links {
		p.Links = append(p.Links, linkRow{l.Number.String(), linkWord(l.Kind)})
	}
	room := maxThreadText
	for _, m := range d.Thread {
		p.Thread = append(p.Thread, blockOf(m, now, &room))
	}
	events := d.Events
	if n := len(events) - maxEvents; n > 0 {
		p.Omitted, events = n, events[n:]
	}
	for _, e := range events {
		p.Events = append(p.Events, eventRow{
			At: instantOf(e.At, now), What: eventWords(e, now), Actor: actorWord(e.Actor),
			Reason: eventReason(e),
		})
	}
	return p
}

// blockOf prepares a message, taking its text from the room left on the page.
func blockOf(m ticket.MessageView, now time.Time, room *int) messageBlock {
	b := messageBlock{
		ID:   "m-" + m.Digest.String()[:12],
		From: line(m.Mail.From.Name, 100), Address: line(m.Mail.From.Address, 100),
		To: addresses(m.Mail.To), Cc: addresses(m.Mail.Cc), Subject: line(m.Mail.Subject, 500),
		Kind: dispositionWord(m.Disposition), Automatic: m.Mail.Automatic != ticket.NotAutomatic,
		Received: instantOf(m.ReceivedAt, now), Size: sizeWords(m.Size), Digest: m.Digest.String(),
		Reason: reasonWords(m.Reason), Authentication: authentication(m.Mail.Authentication),
	}
	if m.Mail.Date != nil && ticket.DateOf(*m.Mail.Date) != ticket.DateOf(m.ReceivedAt) {
		b.Sent = dateWords(*m.Mail.Date, now)
	}
	newText, whole := strings.TrimSpace(m.Mail.NewText), strings.TrimSpace(m.Mail.Text)
	if whole == newText {
		whole = ""
	}
	b.NewText, b.Cut = cut(newText, min(maxNewText, *room))
	*room -= len(b.NewText)
	var wholeCut bool
	b.WholeText, wholeCut = cut(whole, min(maxWholeText, *room))
	*room -= len(b.WholeText)
	b.Cut = b.Cut || wholeCut
	for i, a := range m.Mail.Attachments {
		if i == maxFiles {
			b.MoreFiles = len(m.Mail.Attachments) - i
			break
		}
		b.Files = append(b.Files, fileRow{
			Name: line(a.Filename, 200), Kind: kindWord(a.ContentType), ContentType: line(a.ContentType, 80), Size: sizeWords(a.Size), Inline: a.Inline,
		})
	}
	for i, w := range m.Mail.Warnings {
		if i == maxAddresses {
			break
		}
		b.Warnings = append(b.Warnings, line(w.Code+": "+w.Detail, 300))
	}
	if bounce := m.Mail.Bounce; bounce != nil {
		b.Bounced = bounceWords(bounce)
	}
	return b
}

// cut returns at most limit bytes of s, ending between runes, and whether
// something is missing.
func cut(s string, limit int) (string, bool) {
	if len(s) <= limit {
		return s, false
	}
	return strings.ToValidUTF8(s[:max(limit, 0)], ""), true
}

func addresses(list []ticket.Address) string {
	var words []string
	for i, a := range list {
		if i == maxAddresses {
			words = append(words, fmt.Sprintf("y %d más", len(list)-i))
			break
		}
		words = append(words, line(a.String(), 100))
	}
	return strings.Join(words, ", ")
}

// authentication lists the results that say something about the sender; one
// from a server that is not ours is only a claim.
func authentication(a ticket.Authentication) []string {
	var words []string
	for _, r := range []struct{ name, result string }{{"SPF", a.SPF}, {"DKIM", a.DKIM}, {"DMARC", a.DMARC}} {
		if r.result != "" {
			words = append(words, r.name+" "+line(r.result, 20))
		}
	}
	if len(words) > 0 && !a.Trusted {
		words = append(words, "no lo verificó nuestro servidor")
	}
	return words
}

func bounceWords(b *ticket.Bounce) []string {
	var words []string
	if b.Recipient != "" {
		words = append(words, "No se entregó a "+line(b.Recipient, 100))
	}
	if b.Status != "" {
		words = append(words, "código "+line(b.Status, 20))
	}
	if b.Diagnostic != "" {
		words = append(words, line(b.Diagnostic, 300))
	}
	return words
}

func decisionOf(t *ticket.Ticket) decision {
	c := t.Classification
	d := decision{
		Type: typeWord(c.Type), TypeConfidence: percent(c.TypeConfidence),
		Priority: fmt.Sprintf("%d %s", c.Priority, c.Priority), PriorityConfidence: percent(c.PriorityConfidence),
		Corrected: c.Type != t.Type || c.Priority != t.Priority,
	}
	for _, r := range c.Reasons {
		d.Reasons = append(d.Reasons, reasonRow{
			Source: sourceWord(line(r.Source, 20)), Name: line(r.Name, 80), Evidence: line(r.Evidence, 200), Weight: decimal(r.Weight, 2),
		})
	}
	return d
}

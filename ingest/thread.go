package ingest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"radicado/store"
	"radicado/ticket"
)

// maxReferences bounds how many Message-IDs of one mail are looked up, newest
// first; a thread longer than that still meets one of its recent mails.
const maxReferences = 50

// verdict says what is to become of a mail.
type verdict struct {
	disposition ticket.Disposition
	reason      string
	join        *ticket.Ticket // the ticket that it joins, or nil
	open        bool           // opens one
	links       []ticket.Link
	review      string
	receiptBy   ticket.Number // the ticket that acknowledges the mail, if another opened by it does
}

// thread decides where a mail belongs, in this order: a Message-ID that it
// answers; a ticket number in its subject if the sender may join by it; else a
// new ticket. Words of the subject alone never join anything. Earlier is the
// same mail in another mailbox, or empty.
func (p *Pipeline) thread(tx *store.Tx, s *Staged, earlier ticket.Message) (verdict, error) {
	found, err := p.findTicket(tx, s)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{open: true, disposition: ticket.DispositionNew, reason: "answers no known mail"}
	for _, f := range earlier.Filings {
		if !f.Ticket.IsZero() {
			v.links = append(v.links, ticket.Link{Number: f.Ticket, Kind: ticket.LinkSameMail})
			v.reason = "the same mail came to " + f.Mailbox
		}
	}
	if f, ok := opened(earlier); ok {
		v.receiptBy = f.Ticket
	}
	automatic := s.mail.Automatic != ticket.NotAutomatic
	if s.m.TooLarge {
		v.disposition, v.reason = ticket.DispositionRefused, s.mail.Quarantine
		if found.ticket != nil {
			v.link(found.ticket.Number, ticket.LinkClaimed)
		}
		return v, nil
	}
	if s.mail.Quarantine != "" && !automatic {
		v.disposition, v.reason = ticket.DispositionQuarantined, s.mail.Quarantine
		if found.ticket != nil {
			v.link(found.ticket.Number, ticket.LinkClaimed)
		}
		return v, nil
	}
	if automatic {
		return p.threadAutomatic(s, found), nil
	}
	if found.ticket == nil {
		return v, nil
	}
	t := found.ticket
	switch {
	case found.doubt != "":
		v.link(t.Number, ticket.LinkClaimed)
		v.reason, v.review = found.reason, found.doubt
	case t.ClosedAt != nil && s.receivedAt.Sub(*t.ClosedAt) > p.o.ReopenWithin:
		v.link(t.Number, ticket.LinkFollows)
		v.reason = fmt.Sprintf("%s, but %s was closed on %s", found.reason, t.Number, ticket.DateOf(*t.ClosedAt))
	default:
		return verdict{disposition: ticket.DispositionReply, reason: found.reason, join: t}, nil
	}
	return v, nil
}

// threadAutomatic keeps a machine's mail without ever opening a ticket for it:
// what answers a ticket joins it, the rest is listed apart. A list's mail that
// answers a ticket is a person's, sent through a list.
func (p *Pipeline) threadAutomatic(s *Staged, found finding) verdict {
	v := verdict{disposition: ticket.Disposition(s.mail.Automatic), reason: "answers no known mail"}
	if found.ticket == nil || found.doubt != "" {
		return v
	}
	v.join, v.reason = found.ticket, found.reason
	if s.mail.Automatic == ticket.Bulk {
		v.disposition = ticket.DispositionReply
	}
	return v
}

func (v *verdict) link(n ticket.Number, k ticket.LinkKind) {
	if !slices.ContainsFunc(v.links, func(l ticket.Link) bool { return l.Number == n }) {
		v.links = append(v.links, ticket.Link{Number: n, Kind: k})
	}
}

// finding is a ticket that a mail refers to, and how sure that is.
type finding struct {
	ticket *ticket.Ticket
	reason string
	doubt  string // why the mail must not simply join; "" if it may
}

func (p *Pipeline) findTicket(tx *store.Tx, s *Staged) (finding, error) {
	f, err := p.findByReference(tx, s)
	if err != nil || f.ticket != nil {
		return f, err
	}
	return p.findByNumber(tx, s)
}

// findByReference looks for a stored mail that this one answers (RFC 5322
// section 3.6.4), In-Reply-To first, then References from the newest.
func (p *Pipeline) findByReference(tx *store.Tx, s *Staged) (finding, error) {
	m := s.mail
	ids := slices.Clone(m.InReplyTo)
	if m.Bounce != nil && m.Bounce.OriginalMessageID != "" {
		ids = append(ids, m.Bounce.OriginalMessageID)
	}
	for _, id := range slices.Backward(m.References) {
		ids = append(ids, id)
	}
	seen := map[string]bool{m.MessageID: true, "": true}
	looked := 0
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if looked++; looked > maxReferences {
			break
		}
		messages, err := tx.MessagesByID(id)
		if err != nil {
			return finding{}, fmt.Errorf("look up a Message-ID answered: %w", err)
		}
		f, err := p.choose(tx, s, messages)
		if err != nil {
			return finding{}, err
		}
		if f.ticket != nil {
			return f, nil
		}
	}
	return finding{}, nil
}

// choose picks the ticket among those that hold the mails of one Message-ID:
// in this mailbox before another, where the sender takes part before where not.
// Two mails that bear one Message-ID and lie in different tickets without the
// sender in either leave a doubt.
func (p *Pipeline) choose(tx *store.Tx, s *Staged, messages []ticket.Message) (finding, error) {
	var best *ticket.Ticket
	var bestScore int
	doubt := ""
	for _, m := range messages {
		for _, f := range m.Filings {
			if f.Ticket.IsZero() {
				continue
			}
			t, err := tx.Ticket(f.Ticket)
			if err != nil {
				return finding{}, fmt.Errorf("ticket %s of an answered mail: %w", f.Ticket, err)
			}
			score := 0
			if t.HasParticipant(strings.ToLower(s.mail.From.Address)) {
				score += 2
			}
			if f.Mailbox == s.m.Origin.Mailbox {
				score++
			}
			switch {
			case best == nil || score > bestScore:
				best, bestScore, doubt = &t, score, ""
			case score == bestScore && score < 2 && t.Number != best.Number:
				doubt = fmt.Sprintf("the mail that it answers is in %s and %s", best.Number, t.Number)
			}
		}
	}
	if best == nil {
		return finding{}, nil
	}
	return finding{ticket: best, reason: "answers a mail of " + best.Number.String(), doubt: doubt}, nil
}

// subjectNumber finds a ticket number in a subject: in our own tag, or behind
// the words that people put before it.
var subjectNumber = regexp.MustCompile(`(?i)(?:\[radicado\s+|\b(?:radicado|rad\.?|caso|ticket|n[uú]mero)\s*(?:n[o°º]\.?|#|:|-)?\s*)(\d{4}-\d{6,10})\b`)

// findByNumber looks for a ticket that the subject names. Anyone can write a
// number, so it joins only for a participant of that ticket or someone of its
// customer's organisation; to others it leaves a doubt.
func (p *Pipeline) findByNumber(tx *store.Tx, s *Staged) (finding, error) {
	match := subjectNumber.FindStringSubmatch(s.mail.Subject)
	if match == nil {
		return finding{}, nil
	}
	n, err := ticket.ParseNumber(match[1])
	if err != nil {
		return finding{}, nil // some other desk's number
	}
	t, err := tx.Ticket(n)
	if errors.Is(err, store.ErrNotFound) {
		return finding{}, nil
	}
	if err != nil {
		return finding{}, fmt.Errorf("ticket %s of the subject: %w", n, err)
	}
	f := finding{ticket: &t, reason: "names " + n.String() + " in its subject"}
	sender := strings.ToLower(s.mail.From.Address)
	switch {
	case t.HasParticipant(sender):
		f.reason += "; the sender takes part in it"
	case p.sameOrganisation(sender, t.Customer.Address):
		f.reason += "; the sender is of its customer's organisation"
	default:
		f.doubt = "names " + n.String() + " in its subject, but the sender takes no part in it"
	}
	return f, nil
}

// sameOrganisation reports whether two addresses share a domain that belongs to
// one organisation.
func (p *Pipeline) sameOrganisation(a, b string) bool {
	da, db := domain(a), domain(b)
	return da != "" && da == db && !p.shared[da]
}

func domain(address string) string {
	_, d, _ := strings.Cut(address, "@")
	return strings.ToLower(d)
}

// DefaultSharedDomains returns the mail providers most used in Colombia.
func DefaultSharedDomains() []string {
	return []string{
		"gmail.com", "googlemail.com", "hotmail.com", "hotmail.es", "outlook.com", "outlook.es", "live.com", "msn.com",
		"yahoo.com", "yahoo.es", "yahoo.com.co", "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com", "proton.me",
		"protonmail.com", "gmx.com", "gmx.es", "zoho.com", "une.net.co", "etb.net.co", "epm.net.co", "telmex.net.co", "claro.net.co",
		"tutanota.com", "mail.com", "yandex.com",
	}
}

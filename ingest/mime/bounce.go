package mime

import (
	"bufio"
	"bytes"
	"regexp"
	"strings"

	"radicado/ticket"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

const maxRecipients = 100 // of one delivery report looked at

var (
	statusCode = regexp.MustCompile(`\b([245]\.\d{1,3}\.\d{1,3})\b`)
	smtpReply  = regexp.MustCompile(`\b[45]\d\d[ -]#?[45]\.\d{1,3}\.\d{1,3}|\b5\d\d[ -]\S|\bSMTP; ?\d{3}`)
	anyAddress = regexp.MustCompile(`[A-Za-z0-9._%+'=-]{1,64}@[A-Za-z0-9.-]{1,200}\.[A-Za-z]{2,24}`)
	textID     = regexp.MustCompile(`(?i)message-id: ?<([^<>\s]{1,500})>`)
)

// readBounce reads a delivery status report (RFC 3464) or, where its parts are
// missing, what the text says. failed is false where the report tells of no
// failure and no delay.
func (w *walker) readBounce(h header, m *ticket.Mail) (b *ticket.Bounce, failed bool) {
	b = &ticket.Bounce{}
	failed = true
	if w.report.status != nil {
		failed = readStatus(w.report.status, b)
	}
	if w.report.original != nil {
		oh := blockHeader(w.report.original)
		b.OriginalMessageID = messageID(oh.Get("Message-Id"))
		if b.Recipient == "" {
			if to := parseAddressList(oh.Get("To")); len(to) > 0 {
				b.Recipient = to[0].Address
			}
		}
	}
	text := clip(m.Text, 64<<10)
	if b.Recipient == "" {
		if v := parseAddressList(h.Get("X-Failed-Recipients")); len(v) > 0 {
			b.Recipient = v[0].Address
		}
	}
	if b.Recipient == "" {
		b.Recipient = failedAddress(text, m)
	}
	if b.Diagnostic == "" {
		for line := range strings.SplitSeq(text, "\n") {
			if smtpReply.MatchString(line) {
				b.Diagnostic = clip(cleanLine(line), 1000)
				break
			}
		}
	}
	if b.Status == "" {
		if s := statusCode.FindString(b.Diagnostic); s != "" {
			b.Status = s
		} else {
			b.Status = statusCode.FindString(text)
		}
	}
	if b.OriginalMessageID == "" {
		switch {
		case len(m.InReplyTo) > 0:
			b.OriginalMessageID = m.InReplyTo[0]
		case len(m.References) > 0:
			b.OriginalMessageID = m.References[len(m.References)-1]
		default:
			if f := textID.FindStringSubmatch(text); f != nil {
				b.OriginalMessageID = f[1]
			}
		}
	}
	return b, failed
}

// failedAddress returns the first address in the text that is not one of the
// report's own.
func failedAddress(text string, m *ticket.Mail) string {
	for _, a := range anyAddress.FindAllString(text, 20) {
		a = cleanAddress(a)
		own := strings.EqualFold(a, m.From.Address) || mailerNames.MatchString(strings.ToLower(a))
		for _, to := range m.To {
			own = own || strings.EqualFold(a, to.Address)
		}
		if !own {
			return a
		}
	}
	return ""
}

// readStatus fills b from the fields of a message/delivery-status: of the first
// recipient that failed, else of the first that is delayed. It reports whether
// there is such a one; a report that names no action counts as a failure.
func readStatus(raw []byte, b *ticket.Bounce) bool {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	rank := 0
	for i, group := range bytes.Split(raw, []byte("\n\n")) {
		if i > maxRecipients {
			break
		}
		f := blockHeader(group)
		recipient := typed(f.Get("Final-Recipient"))
		if o := typed(f.Get("Original-Recipient")); recipient == "" {
			recipient = o
		}
		if id := messageID(f.Get("X-Original-Message-Id")); id != "" && b.OriginalMessageID == "" {
			b.OriginalMessageID = id
		}
		if recipient == "" && f.Get("Action") == "" {
			continue // the fields of the whole message
		}
		r := 0
		switch strings.ToLower(strings.TrimSpace(dropComments(f.Get("Action")))) {
		case "failed":
			r = 4
		case "delayed":
			r = 3
		case "delivered", "relayed", "expanded":
			r = 1
		default:
			r = 2
		}
		if r <= rank {
			continue
		}
		rank = r
		b.Recipient = cleanAddress(recipient)
		b.Status = statusCode.FindString(f.Get("Status"))
		b.Diagnostic = clip(decodeWords(typed(f.Get("Diagnostic-Code"))), 1000)
		if b.Status == "" {
			b.Status = statusCode.FindString(b.Diagnostic)
		}
	}
	return rank != 1
}

// typed returns the value behind "rfc822;" or "smtp;" (RFC 3464 section 2.1.2).
func typed(v string) string {
	if kind, rest, ok := strings.Cut(v, ";"); ok && !strings.ContainsAny(strings.TrimSpace(kind), " @") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(v)
}

// blockHeader reads a bounded header block through the same lenient front.
func blockHeader(b []byte) message.Header {
	n := &notes{}
	f := newFront(bytes.NewReader(b), Limits{HeaderBytes: int64(len(b)) + 1}.withDefaults(), n)
	th, _ := textproto.ReadHeader(bufio.NewReader(f))
	return message.Header{Header: th}
}

package mime

import (
	"strings"

	"radicado/ticket"

	"github.com/emersion/go-message"
)

const maxIDs = 1000 // of References and In-Reply-To kept

// header is a header block with what was wrong in it.
type header struct {
	*message.Header
	notes *notes
}

// text returns the topmost field of that name, decoded.
func (h header) text(key string) string { return clip(decodeWords(h.Get(key)), 20_000) }

// fill sets what a mail says of itself.
func (h header) fill(m *ticket.Mail) {
	m.MessageID = messageID(h.Get("Message-Id"))
	m.InReplyTo = messageIDs(h.Values("In-Reply-To"))
	m.References = messageIDs(h.Values("References"))
	m.Subject = h.text("Subject")
	if v := h.Get("Date"); v != "" {
		if t, ok := parseDate(v); ok {
			m.Date = &t
		} else {
			h.notes.warn("date", "unreadable date "+v, true)
		}
	}
	if from := h.addresses("From"); len(from) > 0 {
		m.From = from[0]
	}
	if s := h.addresses("Sender"); len(s) > 0 {
		m.Sender = &s[0]
	}
	m.ReplyTo = h.addresses("Reply-To")
	m.To = h.addresses("To")
	m.Cc = h.addresses("Cc")
	if v := h.Get("Received"); v != "" {
		if i := strings.LastIndexByte(v, ';'); i >= 0 {
			if t, ok := parseDate(v[i+1:]); ok {
				m.Received = &t
			}
		}
	}
}

func (h header) addresses(key string) []ticket.Address {
	list := []ticket.Address{}
	for _, v := range h.Values(key) {
		got := parseAddressList(v)
		if len(got) == 0 && strings.ContainsAny(v, "@<") {
			h.notes.warn("address", "no address could be read in "+key, true)
		}
		list = append(list, got...)
	}
	if len(list) > maxAddresses {
		h.notes.warn("address", "more addresses than are kept in "+key, true)
		list = list[:maxAddresses]
	}
	return list
}

// messageIDs reads a list of identifiers, with or without brackets and with
// phrases between them (obs-in-reply-to of RFC 5322 section 4.5.4).
func messageIDs(values []string) []string {
	ids := []string{}
	seen := map[string]bool{}
	add := func(id string) {
		id = oneID(id)
		if id != "" && !seen[id] && len(ids) < maxIDs {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, v := range values {
		if !strings.Contains(v, "<") {
			for _, word := range strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == ',' }) {
				if strings.Contains(word, "@") {
					add(word)
				}
			}
			continue
		}
		for {
			_, rest, ok := strings.Cut(v, "<")
			if !ok {
				break
			}
			id, after, ok := strings.Cut(rest, ">")
			add(id)
			if !ok {
				break
			}
			v = after
		}
	}
	return ids
}

// messageID reads one identifier.
func messageID(v string) string {
	if _, rest, ok := strings.Cut(v, "<"); ok {
		id, _, _ := strings.Cut(rest, ">")
		return oneID(id)
	}
	return oneID(strings.Trim(strings.TrimSpace(v), ">"))
}

func oneID(id string) string {
	id = strings.Trim(id, " \t\r\n<>")
	// Folding inside an identifier leaves blanks that belong to nothing.
	if strings.ContainsAny(id, " \t\r\n") {
		id = strings.Join(strings.Fields(id), "")
	}
	if len(id) > 1000 {
		return ""
	}
	s, _ := decodeCharset([]byte(id), "")
	return cleanLine(s)
}

package mime

import (
	"net/mail"
	"strings"
	"unicode"

	"radicado/ticket"
)

const (
	maxAddresses = 1000   // of one field kept
	maxStrict    = 16_000 // bytes of a field given to net/mail
)

// parseAddressList reads the addresses of a field. net/mail goes first; what it
// refuses (unquoted commas and raw 8-bit names, trailing dots, obsolete forms)
// is split leniently. It never fails; what holds no address gives none.
func parseAddressList(v string) []ticket.Address {
	list := []ticket.Address{}
	if strings.TrimSpace(v) == "" {
		return list
	}
	if len(v) <= maxStrict && ascii([]byte(v)) {
		if got, err := mail.ParseAddressList(v); err == nil {
			for _, a := range got {
				if addr := cleanAddress(a.Address); addr != "" {
					list = append(list, ticket.Address{Name: cleanName(decodeWords(a.Name)), Address: addr})
				}
			}
			return list
		}
	}
	return lenientList(v)
}

// lenientList splits at the commas and semicolons outside of quotes, brackets
// and comments, and joins a piece without an address to the one behind it:
// "Pérez, Ana <ana@x.co>" is one person.
func lenientList(v string) []ticket.Address {
	list := []ticket.Address{}
	pending := ""
	for _, p := range splitAddresses(v) {
		if len(list) > maxAddresses {
			break
		}
		if group, rest, ok := strings.Cut(p, ":"); ok && !strings.ContainsAny(group, "@<\"=") {
			p = rest // "undisclosed-recipients:" or a group's name
			pending = ""
		}
		if strings.TrimSpace(p) == "" {
			continue
		}
		a, ok := lenientAddress(p)
		if !ok {
			if len(pending)+len(p) < 300 {
				pending += strings.TrimSpace(p) + ", "
			}
			continue
		}
		if pending != "" && a.Name != "" && !strings.HasPrefix(strings.TrimSpace(p), `"`) {
			a.Name = cleanName(decodeWords(pending) + " " + a.Name)
		}
		pending = ""
		list = append(list, a)
	}
	return list
}

func splitAddresses(v string) []string {
	var parts []string
	start, quoted, angle, depth := 0, false, false, 0
	// A quote or bracket that never closes is text.
	canQuote := strings.Count(v, `"`)%2 == 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"' && canQuote:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ';' || c == ',' && !angle && (depth == 0 || !strings.Contains(v[i:], ")")):
			parts = append(parts, v[start:i])
			start, angle, depth = i+1, false, 0
			if len(parts) > 2*maxAddresses {
				return parts
			}
		}
	}
	return append(parts, v[start:])
}

// lenientAddress finds "<addr>" or a bare address in one piece.
func lenientAddress(p string) (ticket.Address, bool) {
	p = strings.TrimSpace(p)
	if i := strings.LastIndexByte(p, '<'); i >= 0 {
		addr, after, _ := strings.Cut(p[i+1:], ">")
		name := p[:i]
		if blank(name) {
			name = strings.Trim(strings.TrimSpace(after), "()")
		}
		if a := cleanAddress(addr); strings.Contains(a, "@") {
			return ticket.Address{Name: cleanName(decodeWords(unquoteName(name))), Address: a}, true
		}
		// "Ana <ana@x.co> <" and its like: look at all words below.
	}
	comment := ""
	if i := strings.IndexByte(p, '('); i >= 0 {
		if j := strings.LastIndexByte(p, ')'); j > i {
			comment = p[i+1 : j]
			p = p[:i] + " " + p[j+1:]
		}
	}
	for _, w := range strings.Fields(p) {
		a := cleanAddress(w)
		at := strings.LastIndexByte(a, '@')
		if at <= 0 || at == len(a)-1 {
			continue
		}
		name := strings.TrimSpace(strings.Replace(p, w, " ", 1))
		if name == "" {
			name = comment
		}
		return ticket.Address{Name: cleanName(decodeWords(unquoteName(name))), Address: a}, true
	}
	return ticket.Address{}, false
}

func unquoteName(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
}

// cleanName drops the quotes that clients put around a decoded name.
func cleanName(s string) string {
	s = cleanLine(s)
	s = strings.Trim(s, "\"<>, ")
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		s = s[1 : len(s)-1]
	}
	return clip(strings.TrimSpace(s), 500)
}

// cleanAddress drops what does not belong to an address and lowers its domain.
func cleanAddress(s string) string {
	s, _ = decodeCharset([]byte(s), "")
	s = clean(s)
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.HasPrefix(strings.TrimSpace(s), "@") {
		s = s[i+1:] // obs-route: <@relay:ana@x.co>
	}
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	s = strings.Trim(s, " \t\n<>,;'()[]")
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return clip(s, 320)
	}
	domain := strings.TrimRight(strings.ToLower(s[at+1:]), ".")
	if len(s) > 320 { // RFC 5321 section 4.5.3.1: 64 + 1 + 255
		return ""
	}
	return clean(s[:at] + "@" + domain)
}

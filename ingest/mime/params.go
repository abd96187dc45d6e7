package mime

import (
	"sort"
	"strconv"
	"strings"
)

const (
	maxParams   = 200  // of one field
	maxBoundary = 1000 // bytes; RFC 2046 section 5.1.1 allows 70
)

// mediaType is a Content-Type or Content-Disposition. The standard library's
// parser refuses unquoted names with blanks, raw 8-bit, doubled parameters and
// any RFC 2231 charset but UTF-8; real mail has all four.
type mediaType struct {
	name   string // lower case
	params map[string]string
}

// parseMediaType reads a field value; an unreadable one has an empty name.
func parseMediaType(v string) mediaType {
	m := mediaType{}
	parts := splitParams(v)
	if len(parts) == 0 {
		return m
	}
	m.name = strings.ToLower(strings.TrimSpace(parts[0]))
	if i := strings.IndexAny(m.name, " \t\r\n("); i >= 0 {
		m.name = m.name[:i]
	}
	m.name = strings.Trim(cleanLine(m.name), `"'`)
	if len(m.name) > 100 {
		m.name = clip(m.name, 100)
	}
	var pieces map[string][]piece
	for _, p := range parts[1:] {
		key, value, ok := strings.Cut(p, "=")
		if !ok {
			continue
		}
		key = strings.ToLower(strings.TrimSpace(key))
		value = unquote(strings.TrimSpace(value))
		if key == "" {
			continue
		}
		base, num, ext := splitKey(key)
		if num < 0 && !ext {
			if m.params == nil {
				m.params = map[string]string{}
			}
			if _, dup := m.params[key]; !dup {
				m.params[key] = value
			}
			continue
		}
		if pieces == nil {
			pieces = map[string][]piece{}
		}
		pieces[base] = append(pieces[base], piece{max(num, 0), ext, value})
	}
	for base, ps := range pieces {
		if m.params == nil {
			m.params = map[string]string{}
		}
		m.params[base] = joinPieces(ps)
	}
	return m
}

func (m mediaType) boundary() string {
	b := strings.TrimRight(m.params["boundary"], " \t\r\n")
	if len(b) > maxBoundary || strings.ContainsAny(b, "\r\n") {
		return ""
	}
	return b
}

// text returns a parameter decoded for people: "filename" and "name" come as
// RFC 2231, as RFC 2047 words or as raw bytes.
func (m mediaType) text(key string) string { return decodeWords(m.params[key]) }

// splitParams splits at semicolons outside of quotes.
func splitParams(v string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			// A quote opens only at the start of a value: a lone one inside is text.
			if quoted || strings.HasSuffix(strings.TrimRight(v[start:i], " \t\r\n"), "=") {
				quoted = !quoted
			}
		case c == ';' && !quoted:
			parts = append(parts, v[start:i])
			start = i + 1
			if len(parts) >= maxParams {
				return parts
			}
		}
	}
	return append(parts, v[start:])
}

func unquote(s string) string {
	if len(s) == 0 || s[0] != '"' {
		// A comment may follow a token: charset=us-ascii (plain).
		if i := strings.Index(s, " ("); i > 0 && strings.HasSuffix(s, ")") {
			s = s[:i]
		}
		return s
	}
	var sb strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return sb.String()
		case '\\':
			// Windows paths and names are sent unescaped: keep the backslash
			// unless it escapes what needs it.
			if i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
				i++
			}
		}
		sb.WriteByte(s[i])
	}
	return sb.String()
}

type piece struct {
	num   int
	ext   bool
	value string
}

// splitKey reads "filename*1*" as filename, 1, extended. num is -1 without one.
func splitKey(key string) (base string, num int, ext bool) {
	if strings.HasSuffix(key, "*") {
		ext = true
		key = key[:len(key)-1]
	}
	base, n, ok := strings.Cut(key, "*")
	if !ok {
		return base, -1, ext
	}
	num, err := strconv.Atoi(n)
	if err != nil || num < 0 || num > maxParams {
		return key, -1, ext
	}
	return base, num, ext
}

func joinPieces(ps []piece) string {
	sort.SliceStable(ps, func(i, j int) bool { return ps[i].num < ps[j].num })
	var raw []byte
	charset := ""
	for i, p := range ps {
		v := p.value
		if p.ext {
			if i == 0 {
				if cs, rest, ok := strings.Cut(v, "'"); ok {
					if _, text, ok := strings.Cut(rest, "'"); ok {
						charset, v = cs, text
					}
				}
			}
			raw = append(raw, percent(v)...)
			continue
		}
		raw = append(raw, v...)
	}
	s, _ := decodeCharset(raw, charset)
	return s
}

func percent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}

package mime

import (
	"encoding/base64"
	"strings"
)

// decodeWords decodes a header value: RFC 2047 encoded words, also the broken
// ones (blanks inside, words inside quotes or glued to others, missing end or
// padding, characters split over two words), and raw 8-bit text.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		out, _ := decodeCharset([]byte(s), "")
		return cleanLine(out)
	}
	var sb strings.Builder
	var run []byte // bytes of neighbouring words of one charset, decoded together
	runCharset := ""
	flush := func() {
		if run != nil {
			out, _ := decodeCharset(run, runCharset)
			sb.WriteString(out)
			run = nil
		}
	}
	for len(s) > 0 {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, size := encodedWord(s[i:])
		if size == 0 {
			flush()
			out, _ := decodeCharset([]byte(s[:i+2]), "")
			sb.WriteString(out)
			s = s[i+2:]
			continue
		}
		between := s[:i]
		if run == nil || strings.TrimSpace(between) != "" {
			flush()
			out, _ := decodeCharset([]byte(between), "")
			sb.WriteString(out)
		}
		if run != nil && !strings.EqualFold(runCharset, w.charset) {
			flush()
		}
		runCharset = w.charset
		if run == nil {
			run = []byte{}
		}
		run = append(run, w.content...)
		s = s[i+size:]
	}
	flush()
	out, _ := decodeCharset([]byte(s), "")
	sb.WriteString(out)
	return cleanLine(sb.String())
}

type word struct {
	charset string
	content []byte
}

// encodedWord reads the encoded word at the start of s; size 0 if there is none.
func encodedWord(s string) (w word, size int) {
	rest := s[2:]
	q := strings.IndexByte(rest, '?')
	if q <= 0 || q > 60 || strings.ContainsAny(rest[:q], " \t=\"<>") || len(rest) < q+3 || rest[q+2] != '?' {
		return word{}, 0
	}
	w.charset = rest[:q]
	if star := strings.IndexByte(w.charset, '*'); star >= 0 { // RFC 2231 section 5: language
		w.charset = w.charset[:star]
	}
	enc := rest[q+1] | 0x20
	text := rest[q+3:]
	head := 2 + q + 3
	end := strings.Index(text, "?=")
	// "=?utf-8?Q?=C3=B1?=": the first "?=" may be the start of the content.
	if end == 0 && enc == 'q' && len(text) > 3 && isHex(text[2]) && isHex(text[3]) {
		if e := strings.Index(text[2:], "?="); e >= 0 {
			end = e + 2
		}
	}
	size = head + end + 2
	if end < 0 {
		// The end is missing: the word goes on to the next blank.
		end = strings.IndexAny(text, " \t\r\n")
		if end < 0 {
			end = len(text)
		}
		size = head + end
	}
	text = text[:end]
	switch enc {
	case 'b':
		w.content = base64Words(text)
	case 'q':
		w.content = qWord(text)
	default:
		return word{}, 0
	}
	return w, size
}

// base64Words decodes s, skipping what is not base64 and forgiving padding.
func base64Words(s string) []byte {
	chars := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-':
			chars = append(chars, '+')
		case c == '_':
			chars = append(chars, '/')
		case base64Char(c):
			chars = append(chars, c)
		}
	}
	if len(chars)%4 == 1 {
		chars = chars[:len(chars)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(chars)))
	n, _ := base64.RawStdEncoding.Decode(out, chars)
	return out[:n]
}

func qWord(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

func base64Char(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

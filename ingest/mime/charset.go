package mime

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// decodeText turns b into clean UTF-8 (see clean). The rule: the declared
// charset if the bytes are valid in it, else UTF-8 if they are valid in that,
// else windows-1252. No guesser: those turn "señor" into "seÃ±or".
//
// Two liberties, both safe for Spanish. Bytes beyond ASCII that are valid UTF-8
// throughout are UTF-8 even where a Latin charset is declared: by chance that
// happens to no Latin text. And text that is UTF-8 but for some bytes (a mail
// put together from two) keeps its good characters.
func decodeText(b []byte, declared string, n *notes) string {
	s, code := decodeCharset(b, declared)
	switch code {
	case "unknown-charset":
		n.warn(code, "charset "+declared+" is unknown", false)
	case "charset":
		n.warn(code, "bytes are not valid in the declared charset "+declared, false)
	case "charset-mismatch":
		n.warn(code, "declared as "+declared+" but is UTF-8", false)
	}
	return clean(s)
}

// decodeCharset applies the rule; code names what was wrong, "" if nothing.
func decodeCharset(b []byte, declared string) (s, code string) {
	declared = strings.ToLower(strings.Trim(strings.TrimSpace(declared), `"'`))
	valid := utf8.Valid(b)
	switch {
	case isUTF8(declared):
		if valid {
			return string(b), ""
		}
		return mixed(b), "charset"
	case declared == "" || isASCII(declared):
		if valid {
			return string(b), ""
		}
		if declared == "" {
			return mixed(b), ""
		}
		return mixed(b), "charset"
	case isLatin1(declared):
		if valid {
			if ascii(b) {
				return string(b), ""
			}
			return string(b), "charset-mismatch"
		}
		return latin(b), ""
	}
	r, err := charset.Reader(declared, bytes.NewReader(b))
	if err != nil {
		return mixed(b), "unknown-charset"
	}
	out, err := io.ReadAll(r)
	if err != nil || bytes.ContainsRune(out, utf8.RuneError) {
		return mixed(b), "charset"
	}
	return string(out), ""
}

func isUTF8(name string) bool {
	switch name {
	case "utf-8", "utf8", "unicode-1-1-utf-8", "utf-8n", "utf_8", "unicode":
		return true
	}
	return false
}

func isASCII(name string) bool {
	switch name {
	case "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "x-unknown", "unknown", "unknown-8bit", "default", "x-user-defined":
		return true
	}
	return false
}

// isLatin1 names the charsets that are read as windows-1252: that is what
// writes the quotes and euro signs found in mail declared as ISO-8859-1.
func isLatin1(name string) bool {
	switch name {
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "iso88591", "iso-8859-1-windows-3.1-latin-1", "latin1", "latin-1", "l1", "cp819",
		"windows-1252", "cp1252", "cp-1252", "x-cp1252", "win-1252", "ansi", "iso-8859-1:1987", "8859-1":
		return true
	}
	return false
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func latin(b []byte) string {
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(out)
}

// mixed reads UTF-8 where it is valid and windows-1252 byte by byte elsewhere.
func mixed(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var sb strings.Builder
	sb.Grow(len(b) + len(b)/8)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			r = charmap.Windows1252.DecodeByte(b[0])
		}
		sb.WriteRune(r)
		b = b[size:]
	}
	return sb.String()
}

// clean makes s fit for storing and for JSON: valid UTF-8 in NFC, LF line
// ends, no control characters but LF and tab, no byte order marks.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = mixed([]byte(s))
	}
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(s, "\r\r\n", "\n")
		s = strings.ReplaceAll(s, "\r\n", "\n")
		s = strings.ReplaceAll(s, "\r", "\n")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\f' || r == '\v' || r == 0x85 || r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsControl(r) || r == '\uFEFF':
			return -1
		}
		return r
	}, s)
	return norm.NFC.String(s)
}

// cleanLine is clean for what stands on one line: blanks and line ends become
// single blanks.
func cleanLine(s string) string {
	s = clean(s)
	if !strings.ContainsAny(s, "\n\t") && !strings.Contains(s, "  ") && strings.TrimSpace(s) == s {
		return s
	}
	var sb strings.Builder
	blank := false
	for _, r := range s {
		if r == ' ' || r == '\n' || r == '\t' {
			blank = true
			continue
		}
		if blank && sb.Len() > 0 {
			sb.WriteByte(' ')
		}
		blank = false
		sb.WriteRune(r)
	}
	return sb.String()
}

// clip cuts s to at most n bytes at a character's start.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func clipBytes(b []byte, n int) []byte {
	if len(b) > n {
		return b[:n]
	}
	return b
}

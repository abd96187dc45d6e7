package store

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"radicado/ticket"
)

// maxText bounds the text of one ticket in the text index, in bytes.
const maxText = 8 << 10

// fold takes case and accents from s, so that "senor" finds "SEÑOR".
func fold(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
}

// ticketText is what Filter.Text is looked for in.
func ticketText(t *ticket.Ticket) []byte {
	fields := []string{t.Number.String(), t.Subject, t.Customer.Name, t.Customer.Address}
	for i, f := range fields {
		f = f[:min(len(f), maxText)]
		// A search must not match across two fields.
		fields[i] = strings.ReplaceAll(fold(strings.ToValidUTF8(f, "")), "\n", " ")
	}
	return []byte(strings.Join(fields, "\n"))
}

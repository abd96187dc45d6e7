package ticket

import (
	"fmt"
	"strconv"
	"strings"
)

// Number is a ticket's número de radicado: the year of filing in Bogotá and a
// consecutive number within it, without gaps, never used twice (AGN Acuerdo 060
// de 2001, art. 5). The zero value means "no ticket".
type Number struct {
	Year int    // 1 to 9999
	Seq  uint32 // from 1
}

// IsZero reports whether n names no ticket.
func (n Number) IsZero() bool { return n == Number{} }

// String returns YYYY-NNNNNN, or "" for the zero value. From the millionth
// ticket of a year on the second part is longer.
func (n Number) String() string {
	if n.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%06d", n.Year, n.Seq)
}

// Compare orders numbers by year, then sequence: -1, 0 or 1.
func (n Number) Compare(o Number) int {
	switch {
	case n.Year != o.Year:
		if n.Year < o.Year {
			return -1
		}
		return 1
	case n.Seq < o.Seq:
		return -1
	case n.Seq > o.Seq:
		return 1
	}
	return 0
}

// ParseNumber reads YYYY-NNNNNN. Exactly what String writes is accepted and
// nothing else, so that one ticket has one spelling.
func ParseNumber(s string) (Number, error) {
	bad := fmt.Errorf("ticket number %q: want YYYY-NNNNNN, such as 2026-000123", s)
	year, seq, ok := strings.Cut(s, "-")
	if !ok || len(year) != 4 || len(seq) < 6 || len(seq) > 10 {
		return Number{}, bad
	}
	y, err := strconv.ParseUint(year, 10, 16)
	if err != nil {
		return Number{}, bad
	}
	q, err := strconv.ParseUint(seq, 10, 32)
	if err != nil {
		return Number{}, bad
	}
	n := Number{Year: int(y), Seq: uint32(q)}
	if y == 0 || q == 0 || n.String() != s {
		return Number{}, bad
	}
	return n, nil
}

// MarshalText writes n as String does.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what MarshalText wrote; "" is the zero value.
func (n *Number) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*n = Number{}
		return nil
	}
	v, err := ParseNumber(string(b))
	if err != nil {
		return err
	}
	*n = v
	return nil
}

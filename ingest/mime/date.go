package mime

import (
	"strconv"
	"strings"
	"time"
)

// zones are the obsolete names of RFC 5322 section 4.3, and those met in
// Colombian mail. Military letters mean nothing (they were used both ways).
var zones = map[string]int{
	"ut": 0, "utc": 0, "gmt": 0, "z": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
	"pst": -8, "pdt": -7, "cot": -5, "cet": 1, "cest": 2, "wet": 0, "west": 1, "brt": -3, "art": -3, "clt": -4, "vet": -4, "ect": -5, "pet": -5,
}

var months = map[string]time.Month{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
	"ene": 1, "abr": 4, "ago": 8, "set": 9, "dic": 12,
}

// parseDate reads a date as RFC 5322 writes it and as broken programs do: with
// comments, without weekday or seconds, with two-digit years, obsolete zones,
// Spanish months, or in the order of ISO 8601. The offset is the sender's.
// net/mail is not used: it gives named zones an offset of 0.
func parseDate(v string) (time.Time, bool) {
	v = clip(v, 300)
	v = strings.ToLower(dropComments(v))
	if t, ok := isoDate(strings.TrimSpace(v)); ok {
		return t, true
	}
	var (
		day, year      = -1, -1
		month          time.Month
		hour, min, sec = -1, 0, 0
		offset         = 0
		pm, am, zoned  bool
	)
	for _, tok := range strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == ',' }) {
		switch {
		case strings.Contains(tok, ":") && hour < 0:
			// The zone may be glued to the time: 10:00:00-0500.
			clock := tok
			if i := strings.IndexAny(tok, "+-"); i > 0 {
				clock = tok[:i]
				if o, ok := zoneOffset(tok[i:]); ok {
					offset, zoned = o, true
				}
			}
			f := strings.Split(strings.TrimRight(clock, "z"), ":")
			n := [3]int{}
			for i := range f {
				if i > 2 {
					break
				}
				s, _, _ := strings.Cut(f[i], ".")
				x, err := strconv.Atoi(s)
				if err != nil {
					return time.Time{}, false
				}
				n[i] = x
			}
			hour, min, sec = n[0], n[1], n[2]
		case (tok[0] == '+' || tok[0] == '-') && hour >= 0:
			if o, ok := zoneOffset(tok); ok && !zoned {
				offset, zoned = o, true
			}
		case tok == "pm" || tok == "p.m.":
			pm = true
		case tok == "am" || tok == "a.m.":
			am = true
		case tok[0] >= '0' && tok[0] <= '9':
			if f := strings.FieldsFunc(tok, func(r rune) bool { return r == '-' || r == '/' }); len(f) == 3 && day < 0 {
				d, err1 := strconv.Atoi(f[0])
				y, err2 := strconv.Atoi(f[2])
				if mo, ok := monthName(f[1]); ok && err1 == nil && err2 == nil { // 03-Mar-2026
					day, month, year = d, mo, fullYear(y, len(f[2]))
				}
				continue
			}
			x, err := strconv.Atoi(strings.TrimRight(tok, "."))
			if err != nil {
				continue
			}
			if day < 0 && x >= 1 && x <= 31 && len(tok) <= 2 {
				day = x
			} else if year < 0 {
				year = fullYear(x, len(tok))
			}
		default:
			if mo, ok := monthName(tok); ok && month == 0 {
				month = mo
			} else if hour >= 0 && !zoned {
				if o, ok := zones[tok]; ok {
					offset, zoned = o*3600, true
				} else if strings.HasPrefix(tok, "gmt") || strings.HasPrefix(tok, "utc") {
					if o, ok := zoneOffset(tok[3:]); ok {
						offset, zoned = o, true
					}
				}
			}
		}
	}
	if pm && hour < 12 {
		hour += 12
	}
	if am && hour == 12 {
		hour = 0
	}
	return makeDate(year, month, day, hour, min, sec, offset)
}

func makeDate(year int, month time.Month, day, hour, min, sec, offset int) (time.Time, bool) {
	if sec == 60 { // a leap second
		sec = 59
	}
	if year < 1970 || year > 9998 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 59 {
		return time.Time{}, false
	}
	loc := time.UTC
	if offset != 0 {
		loc = time.FixedZone("", offset)
	}
	t := time.Date(year, month, day, hour, min, sec, 0, loc)
	return t, t.Day() == day
}

func isoDate(v string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02t15:04:05z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05z07:00", "2006-01-02t15:04:05", "2006-01-02 15:04:05"} {
		layout = strings.ToUpper(layout)
		if t, err := time.Parse(layout, strings.ToUpper(v)); err == nil {
			_, off := t.Zone()
			return makeDate(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), off)
		}
	}
	return time.Time{}, false
}

func monthName(s string) (time.Month, bool) {
	s = strings.TrimRight(s, ".")
	if len(s) < 3 {
		return 0, false
	}
	m, ok := months[s[:3]]
	return m, ok
}

// fullYear reads years of two and three digits as RFC 5322 section 4.3 does.
func fullYear(y, digits int) int {
	switch {
	case digits == 2 && y < 50:
		return y + 2000
	case digits <= 3:
		return y + 1900
	}
	return y
}

// zoneOffset reads +hhmm, +hh:mm or +hh in seconds. Offsets that no place has
// are refused.
func zoneOffset(s string) (int, bool) {
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	digits := strings.ReplaceAll(s[1:], ":", "")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return 0, false
	}
	h, m := n/100, n%100
	if len(digits) <= 2 {
		h, m = n, 0
	}
	if h > 15 || m > 59 {
		return 0, false
	}
	o := h*3600 + m*60
	if s[0] == '-' {
		o = -o
	}
	return o, true
}

func dropComments(s string) string {
	if !strings.ContainsAny(s, "()") {
		return s
	}
	var sb strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')':
			if depth > 0 {
				depth--
			}
		case depth == 0:
			sb.WriteRune(r)
		}
	}
	return sb.String()
}

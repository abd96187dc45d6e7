package mime

import (
	"strings"
)

const (
	shortWords   = 60 // a forward whose own text has no more words is itself the request
	maxNewPasses = 8

	// Beyond these the text is a log or a table, of which new text has the
	// beginning; the mail's text has all of it.
	maxNewBytes = 256 << 10
	maxNewLines = 5000
)

// textLine is one line of a mail's text.
type textLine struct {
	raw   string
	depth int    // of the quote marks
	text  string // without them
	key   string // folded for matching, see foldLine
}

// newText returns what the sender wrote now: without quoted history, signature,
// disclaimers and banners. Of a forward it keeps the forwarded mail where the
// text above it is short: a forward is the request. It is not empty where the
// sender wrote something.
func newText(text, subject string) string {
	text = tidy(clipLines(clip(clean(text), maxNewBytes), maxNewLines))
	for range maxNewPasses { // what one pass drops may have hidden a signature
		next := tidy(newTextOnce(text, subject))
		if next == text {
			break
		}
		text = next
	}
	return text
}

func newTextOnce(text, subject string) string {
	if text == "" {
		return ""
	}
	lines := splitLines(text)
	lines = dropBanners(lines)
	c := cutter{}
	out := tidy(strings.Join(c.cut(lines, subject, 0), "\n"))
	if out != "" {
		return out
	}
	// Nothing is left. Below an attribution without quote marks the answer may
	// stand somewhere in the rest.
	if c.unmarked != nil {
		return strings.Join(c.unmarked, "\n")
	}
	if isReplySubject(subject) {
		return "" // a quote alone, a footer alone: nothing was written
	}
	return text
}

func clipLines(s string, n int) string {
	for i := range len(s) {
		if s[i] == '\n' {
			if n--; n == 0 {
				return s[:i]
			}
		}
	}
	return s
}

func splitLines(text string) []textLine {
	raw := strings.Split(text, "\n")
	lines := make([]textLine, len(raw))
	for i, r := range raw {
		lines[i] = makeLine(r)
	}
	return lines
}

func makeLine(r string) textLine {
	l := textLine{raw: r, text: r}
	for {
		t := strings.TrimLeft(l.text, " \t\u00a0")
		if !strings.HasPrefix(t, ">") || l.depth >= 20 {
			break
		}
		l.depth++
		l.text = t[1:]
	}
	if l.depth > 0 {
		l.text = strings.TrimPrefix(l.text, " ")
	}
	l.key = foldLine(l.text)
	return l
}

// tidy drops blanks at line ends, more than one blank line in a row, and blank
// lines at both ends.
func tidy(s string) string {
	var sb strings.Builder
	sb.Grow(len(s))
	gap := false
	for line := range strings.SplitSeq(s, "\n") {
		// "-- " is told from "--" no more: both open a signature.
		line = strings.TrimRight(line, " \t\u00a0\u202f")
		if strings.Trim(line, " \t\u00a0\u202f") == "" {
			gap = true
			continue
		}
		if sb.Len() > 0 {
			sb.WriteByte('\n')
			if gap {
				sb.WriteByte('\n')
			}
		}
		gap = false
		sb.WriteString(line)
	}
	return sb.String()
}

// cutter goes through lines from the top.
type cutter struct {
	unmarked []string // lines below an attribution, where nothing tells quote from answer
}

func (c *cutter) cut(lines []textLine, subject string, level int) []string {
	var out []string
	var seg []textLine
	flush := func() {
		out = append(out, strip(seg)...)
		seg = seg[:0]
	}
	for i := 0; i < len(lines); {
		l := lines[i]
		if l.key == "" {
			if l.depth == 0 {
				seg = append(seg, textLine{})
			}
			i++
			continue
		}
		h := headerAt(lines, i, subject)
		switch h.kind {
		case forwardHeader:
			flush()
			if words(out) > shortWords || level > 8 {
				return out
			}
			for _, f := range lines[i : i+h.lines] {
				out = append(out, f.text)
			}
			rest := unquoteLines(lines[i+h.lines:])
			return append(out, c.cut(rest, h.subject, level+1)...)
		case replyBlock:
			if l.depth > 0 {
				break // history inside of quoted history
			}
			flush()
			return out
		case attribution:
			if l.depth > 0 {
				break
			}
			flush()
			next := i + h.lines
			for next < len(lines) && lines[next].key == "" && lines[next].depth == 0 {
				next++
			}
			if next < len(lines) && lines[next].depth > 0 {
				i = next
				continue
			}
			if words(out) == 0 && level == 0 {
				for _, u := range lines[i+h.lines:] {
					c.unmarked = append(c.unmarked, u.raw)
				}
				if blank(strings.Join(c.unmarked, "")) {
					c.unmarked = nil
				}
			}
			return out
		}
		if l.depth > 0 {
			flush()
			i++
			continue
		}
		seg = append(seg, l)
		i++
	}
	flush()
	return out
}

// unquoteLines takes the quote marks off that every line of a forward bears.
func unquoteLines(lines []textLine) []textLine {
	base := 0
	for _, l := range lines {
		if l.key != "" {
			base = l.depth
			break
		}
	}
	if base == 0 {
		return lines
	}
	out := make([]textLine, len(lines))
	for i, l := range lines {
		raw := l.raw
		for range min(base, l.depth) {
			raw = strings.TrimLeft(raw, " \t\u00a0")
			raw = strings.TrimPrefix(raw, ">")
		}
		out[i] = makeLine(strings.TrimPrefix(raw, " "))
	}
	return out
}

func words(lines []string) int {
	n := 0
	for _, l := range lines {
		n += len(strings.Fields(l))
	}
	return n
}

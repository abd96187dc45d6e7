package classify

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Limits of one phrase, so that a match stays inside a machine word.
const (
	maxElements = 12
	maxGap      = 12
	maxSpan     = 48 // words from the first to the last of a match
	maxVariants = 64 // phrases that one entry with long alternatives stands for
	maxEntry    = 2000
)

// element is one place of a phrase: any of its keys will do.
type element struct {
	set  []uint64 // bits over keys
	wild bool     // "*": any word
	gap  int      // words that may stand before it
}

func (e *element) accepts(w *word) bool {
	if e.wild {
		return true
	}
	for _, k := range w.keys {
		if int(k>>6) < len(e.set) && e.set[k>>6]&(1<<(k&63)) != 0 {
			return true
		}
	}
	return false
}

// phrase is a sequence of elements, compiled.
type phrase struct {
	text     string
	elements []element
	starts   bool // only at the opening of a sentence
}

// matchAt returns the index after the last token of the shortest match that
// begins at token i, or -1; stop is where the sentence ends. The work is bounded by elements times span: the
// possible ends are kept as a set of offsets, never as branches.
func (p *phrase) matchAt(tokens []token, i, stop int) int {
	if p.starts && !tokens[i].initial {
		return -1
	}
	limit := min(maxSpan, stop-i)
	ends := uint64(1) // bit o: the elements so far end at offset o
	for n := 1; n < len(p.elements); n++ {
		e := &p.elements[n]
		reach := uint64(0)
		for g := 0; g <= e.gap; g++ {
			reach |= ends << (g + 1)
		}
		reach &= 1<<limit - 1
		ends = 0
		for reach != 0 {
			o := bits.TrailingZeros64(reach)
			reach &= reach - 1
			if e.accepts(tokens[i+o].word) {
				ends |= 1 << o
			}
		}
		if ends == 0 {
			return -1
		}
	}
	return i + bits.TrailingZeros64(ends) + 1
}

// phraseCompiler turns the written phrases of a file into phrases.
type phraseCompiler struct {
	vocabulary *vocabulary
	groups     map[string][]string
	phrases    []phrase
	known      map[string]int // written phrase -> index
}

// compile returns the indexes of the phrases that one entry stands for: one,
// or all of a group where the entry is "@group" alone.
func (c *phraseCompiler) compile(entry string) ([]int, error) {
	if name, ok := strings.CutPrefix(strings.TrimSpace(entry), "@"); ok && !strings.ContainsAny(name, " |") {
		members, ok := c.groups[name]
		if !ok {
			return nil, fmt.Errorf("phrase %q: no group @%s in this file", entry, name)
		}
		var out []int
		for _, m := range members {
			n, err := c.spread(m)
			if err != nil {
				return nil, fmt.Errorf("group @%s: %w", name, err)
			}
			if out = append(out, n...); len(out) > maxPhrases {
				return nil, fmt.Errorf("group @%s: more than %d phrases", name, maxPhrases)
			}
		}
		return out, nil
	}
	return c.spread(entry)
}

// spread compiles all variants of an entry.
func (c *phraseCompiler) spread(entry string) ([]int, error) {
	if len(entry) > maxEntry {
		return nil, fmt.Errorf("phrase %.40q...: longer than %d bytes", entry, maxEntry)
	}
	variants, err := expand(entry)
	if err != nil {
		return nil, fmt.Errorf("phrase %q: %w", entry, err)
	}
	var out []int
	for _, v := range variants {
		n, err := c.one(v)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// expand writes an entry out as phrases whose alternatives are single words:
// "(hoja de ruta|plan) del año" is two phrases.
func expand(entry string) ([]string, error) {
	elements := splitElements(entry)
	for i, f := range elements {
		if !strings.HasPrefix(f, "(") {
			if strings.ContainsAny(f, "()|") {
				return nil, fmt.Errorf("%q: alternatives stand in parentheses of their own", f)
			}
			continue
		}
		if !strings.HasSuffix(f, ")") {
			return nil, fmt.Errorf("%q: unbalanced parentheses", f)
		}
		var single, several []string
		for _, a := range splitAlternatives(f[1 : len(f)-1]) {
			if strings.ContainsAny(a, " (") {
				several = append(several, a)
			} else {
				single = append(single, a)
			}
		}
		if len(several) == 0 {
			continue
		}
		if len(single) > 0 {
			several = append(several, "("+strings.Join(single, "|")+")")
		}
		var out []string
		for _, a := range several {
			all := slices.Concat(elements[:i], []string{a}, elements[i+1:])
			more, err := expand(strings.Join(all, " "))
			if err != nil {
				return nil, err
			}
			if out = append(out, more...); len(out) > maxVariants {
				return nil, fmt.Errorf("more than %d variants", maxVariants)
			}
		}
		return out, nil
	}
	return []string{strings.Join(elements, " ")}, nil
}

// splitAlternatives cuts at bars outside parentheses.
func splitAlternatives(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				out = append(out, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return append(out, strings.TrimSpace(s[start:]))
}

func (c *phraseCompiler) one(entry string) (int, error) {
	if n, ok := c.known[entry]; ok {
		return n, nil
	}
	p := phrase{text: entry}
	rest, kind := strings.TrimSpace(entry), spanishForm
	if r, ok := strings.CutPrefix(rest, "en:"); ok {
		rest, kind = r, englishForm
	}
	gap := 0
	for _, f := range splitElements(rest) {
		if n, ok := strings.CutPrefix(f, ".."); ok {
			g, err := strconv.Atoi(n)
			if err != nil || g < 1 || g > maxGap {
				return 0, fmt.Errorf("phrase %q: gap %q: want ..1 to ..%d", entry, f, maxGap)
			}
			if len(p.elements) == 0 {
				return 0, fmt.Errorf("phrase %q: begins with a gap", entry)
			}
			gap += g
			continue
		}
		if f == "^" {
			if len(p.elements) > 0 {
				return 0, fmt.Errorf("phrase %q: ^ stands only at the beginning", entry)
			}
			p.starts = true
			continue
		}
		e := element{gap: gap}
		gap = 0
		if f == "*" {
			if len(p.elements) == 0 {
				return 0, fmt.Errorf("phrase %q: begins with a wildcard", entry)
			}
			e.wild = true
		} else {
			for w := range strings.SplitSeq(strings.Trim(f, "()"), "|") {
				if err := c.alternative(&e, w, kind, entry); err != nil {
					return 0, err
				}
			}
		}
		p.elements = append(p.elements, e)
	}
	switch {
	case len(p.elements) == 0:
		return 0, fmt.Errorf("phrase %q: no words", entry)
	case len(p.elements) > maxElements:
		return 0, fmt.Errorf("phrase %q: %d words, at most %d", entry, len(p.elements), maxElements)
	case gap > 0:
		return 0, fmt.Errorf("phrase %q: ends with a gap", entry)
	}
	c.phrases = append(c.phrases, p)
	c.known[entry] = len(c.phrases) - 1
	return len(c.phrases) - 1, nil
}

// splitElements cuts at spaces outside parentheses.
func splitElements(s string) []string {
	var out []string
	depth, start := 0, -1
	for i, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		}
		if r == ' ' && depth <= 0 {
			if start >= 0 {
				out = append(out, s[start:i])
			}
			start = -1
		} else if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		out = append(out, s[start:])
	}
	return out
}

func (c *phraseCompiler) alternative(e *element, w, kind, entry string) error {
	w = strings.TrimSpace(w)
	if name, ok := strings.CutPrefix(w, "@"); ok {
		members, ok := c.groups[name]
		if !ok {
			return fmt.Errorf("phrase %q: no group @%s in this file", entry, name)
		}
		for _, m := range members {
			mk := kind
			if r, ok := strings.CutPrefix(m, "en:"); ok {
				m, mk = strings.TrimSpace(r), englishForm
			}
			if strings.ContainsAny(m, " @") {
				return fmt.Errorf("phrase %q: group @%s holds %q; inside a phrase a group may hold single words only", entry, name, m)
			}
			if err := c.alternative(e, m, mk, entry); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case w == "?" || w == "$" || w == "%":
		e.add(c.vocabulary.intern(signForm + w))
		return nil
	case strings.HasPrefix(w, "#"):
		least := 0
		if len(w) > 1 {
			n, err := strconv.Atoi(strings.TrimSuffix(w[1:], "+"))
			if err != nil || n < 0 || !strings.HasSuffix(w, "+") {
				return fmt.Errorf("phrase %q: number %q: want # (any) or #2+ (2 or more)", entry, w)
			}
			least = n
		}
		e.add(c.vocabulary.addNumber(least))
		return nil
	}
	low := plain(w)
	bare := strings.TrimSuffix(strings.TrimPrefix(low, "="), "*")
	if bare == "" || strings.ContainsFunc(bare, func(r rune) bool { return !isWordRune(r) }) {
		return fmt.Errorf("phrase %q: %q is not a word; write words, (a|b), * , ..n, # , ^ , =exact , start* or @group", entry, w)
	}
	switch {
	case strings.HasPrefix(low, "="):
		e.add(c.vocabulary.intern(exactForm + fold(bare)))
	case strings.HasSuffix(low, "*"):
		f := fold(bare)
		e.add(c.vocabulary.intern(prefixForm + f))
		c.vocabulary.prefixes = append(c.vocabulary.prefixes, len(f))
	default:
		for _, s := range c.vocabulary.stems(low, kind) {
			e.add(c.vocabulary.intern(kind + s))
		}
	}
	return nil
}

func (e *element) add(k key) {
	for int(k>>6) >= len(e.set) {
		e.set = append(e.set, 0)
	}
	e.set[k>>6] |= 1 << (k & 63)
}

// plain writes a word of the file as the tokenizer writes the mail's.
func plain(w string) string {
	return strings.NewReplacer("'", "", "’", "").Replace(strings.ToLower(w))
}

package classify

import (
	"slices"
	"strings"

	"radicado/ticket"
)

// maxHits bounds the matches kept of one mail; hits of a phrase beyond the
// first eight say nothing new.
const (
	maxHits          = 4096
	maxHitsOfAPhrase = 8
)

// hit is one match of a phrase.
type hit struct {
	start, end int32 // tokens, end excluded
	next       int32 // the phrase's next hit, or -1
	sentence   int32
	field      field
	negated    bool
	quoted     bool
}

// span of hits that made a rule hold; evidence is the first one.
type finding struct {
	holds    bool
	evidence int32 // index of a hit, or -1
	weight   float64
}

// run is the work of one call of Classify. It is reused through a pool.
type run struct {
	rs       *ruleset
	mail     *ticket.Mail
	mailbox  string
	domain   string
	text     [2]string // subject, new text
	scan     tokenizer
	hits     []hit
	first    []int32 // by phrase: its first hit, or -1
	last     []int32
	count    []uint8
	findings []finding // by rule
	ignored  []bool    // by sentence
	types    [types]float64
	prios    [priorities]float64
}

func newRun(rs *ruleset) *run {
	return &run{
		rs: rs, scan: tokenizer{vocabulary: rs.vocabulary},
		first: make([]int32, len(rs.phrases)), last: make([]int32, len(rs.phrases)), count: make([]uint8, len(rs.phrases)),
		findings: make([]finding, len(rs.rules)),
	}
}

// prepare cuts the mail into tokens and finds all phrases.
func (r *run) prepare(m *ticket.Mail, mailbox string) {
	r.mail, r.mailbox = m, mailbox
	_, domain, _ := strings.Cut(m.From.Address, "@")
	r.domain = strings.ToLower(domain)
	r.text = [2]string{cut(m.Subject, MaxSubject), cut(m.NewText, MaxText)}
	r.scan.tokens = r.scan.tokens[:0]
	r.scan.sentence, r.scan.clause, r.scan.paragraph = 0, 0, 0
	r.scan.add(r.text[0], inSubject)
	r.scan.add(r.text[1], inText)
	r.hits = r.hits[:0]
	for i := range r.first {
		r.first[i], r.last[i], r.count[i] = -1, -1, 0
	}
	clear(r.findings)
	for i := range r.findings {
		r.findings[i].evidence = -1
	}
	r.match()
	r.discard()
}

// match finds all hits of all phrases.
func (r *run) match() {
	tokens := r.scan.tokens
	stop := 0 // where the sentence ends
	for i := range tokens {
		for i >= stop || stop < len(tokens) && tokens[stop].sentence == tokens[i].sentence {
			stop++
		}
		w := tokens[i].word
		if !w.pivotal {
			continue
		}
		for n, k := range w.keys {
			for _, p := range r.rs.byKey[k] {
				if r.count[p] >= maxHitsOfAPhrase || len(r.hits) >= maxHits {
					continue
				}
				ph := &r.rs.phrases[p]
				if n > 0 && ph.elements[0].acceptsAny(w.keys[:n]) {
					continue // tried under an earlier key
				}
				end := ph.matchAt(tokens, i, stop)
				if end < 0 {
					continue
				}
				h := hit{
					start: int32(i), end: int32(end), next: -1, sentence: tokens[i].sentence, field: tokens[i].field,
					negated: r.negated(i), quoted: tokens[i].quoted && tokens[end-1].quoted,
				}
				r.hits = append(r.hits, h)
				at := int32(len(r.hits) - 1)
				if r.first[p] < 0 {
					r.first[p] = at
				} else {
					r.hits[r.last[p]].next = at
				}
				r.last[p] = at
				r.count[p]++
			}
		}
	}
}

func (e *element) acceptsAny(keys []key) bool {
	for _, k := range keys {
		if int(k>>6) < len(e.set) && e.set[k>>6]&(1<<(k&63)) != 0 {
			return true
		}
	}
	return false
}

// negated reports whether a negation opened at most reach words before token i
// in the same clause: "no es una queja", "sin ánimo de queja".
func (r *run) negated(i int) bool {
	tokens := r.scan.tokens
	for n := 1; n <= r.rs.reach && i-n >= 0; n++ {
		t := &tokens[i-n]
		if t.sentence != tokens[i].sentence || t.clause != tokens[i].clause || t.word.turns {
			return false
		}
		if t.word.negates {
			return n == 1 || !tokens[i-n+1].word.disguise
		}
	}
	return false
}

// discard marks the sentences that say nothing, such as disclaimers.
func (r *run) discard() {
	n := 1
	if len(r.scan.tokens) > 0 {
		n = int(r.scan.tokens[len(r.scan.tokens)-1].sentence) + 1
	}
	r.ignored = append(r.ignored[:0], make([]bool, n)...)
	for i := range r.rs.ignores {
		ig := &r.rs.ignores[i]
		for _, p := range ig.phrases {
			for h := r.first[p]; h >= 0; h = r.hits[h].next {
				s := r.hits[h].sentence
				if r.sentenceHas(ig.unless, s) {
					continue
				}
				r.ignored[s] = true
				if !ig.paragraph {
					continue
				}
				paragraph := r.scan.tokens[r.hits[h].start].paragraph
				for _, t := range r.scan.tokens[r.hits[h].start:] {
					if t.paragraph != paragraph {
						break
					}
					r.ignored[t.sentence] = true
				}
			}
		}
	}
}

func (r *run) sentenceHas(phrases []int, sentence int32) bool {
	for _, p := range phrases {
		for h := r.first[p]; h >= 0; h = r.hits[h].next {
			if r.hits[h].sentence == sentence {
				return true
			}
		}
	}
	return false
}

// counts reports whether a hit counts for a rule.
func (r *run) counts(ru *rule, h *hit) bool {
	if h.field&ru.field == 0 || h.quoted && !ru.quoted || r.ignored[h.sentence] {
		return false
	}
	switch ru.polarity {
	case affirmed:
		return !h.negated
	case denied:
		return h.negated
	}
	return true
}

// find returns the first hit of any of the phrases that counts; in a sentence
// unless that is -1, and within near words of the hit beside, if there is one.
// A hit in the text goes before one in the subject.
func (r *run) find(ru *rule, phrases []int, sentence int32, beside *hit) int32 {
	best := int32(-1)
	for _, p := range phrases {
		for h := r.first[p]; h >= 0; h = r.hits[h].next {
			x := &r.hits[h]
			if sentence >= 0 && x.sentence != sentence || !r.counts(ru, x) {
				continue
			}
			if beside != nil && ru.near > 0 && apart(x, beside) > ru.near {
				continue
			}
			if best < 0 || x.field > r.hits[best].field || x.field == r.hits[best].field && x.start < r.hits[best].start {
				best = h
			}
			break
		}
	}
	return best
}

// apart returns how many words lie between two hits of one sentence.
func apart(a, b *hit) int {
	if a.start > b.start {
		a, b = b, a
	}
	return max(0, int(b.start-a.end))
}

// findText is like find but looks at all hits, so that one in the text is
// preferred to the subject's.
func (r *run) findText(ru *rule, phrases []int) int32 {
	best := int32(-1)
	for _, p := range phrases {
		for h := r.first[p]; h >= 0; h = r.hits[h].next {
			x := &r.hits[h]
			if !r.counts(ru, x) {
				continue
			}
			if best < 0 || x.field > r.hits[best].field || x.field == r.hits[best].field && x.start < r.hits[best].start {
				best = h
			}
		}
	}
	return best
}

// evaluate decides the rules of one pass: those without when_type, or, once
// the type is known, those with it.
func (r *run) evaluate(t int) {
	for i := range r.rs.rules {
		ru := &r.rs.rules[i]
		if (ru.whenType != nil) != (t >= 0) || t >= 0 && !ru.whenType[t] {
			continue
		}
		f := &r.findings[i]
		if f.holds = r.holds(ru, f); !f.holds {
			f.evidence = -1
			continue
		}
		f.weight = 1
		if f.evidence >= 0 && ru.words() && r.hits[f.evidence].field == inSubject && ru.field != inSubject {
			f.weight = r.rs.subject
		}
		if ru.count > 1 {
			f.weight *= float64(r.tally(ru))
		}
		for j, w := range ru.types {
			r.types[j] += w * f.weight
		}
		for j, w := range ru.priorities {
			r.prios[j] += w * f.weight
		}
	}
}

// tally counts the places at which a rule's phrases hit, up to its count.
func (r *run) tally(ru *rule) int {
	var at [8]int32
	n := 0
	for _, p := range ru.any {
		for h := r.first[p]; h >= 0; h = r.hits[h].next {
			if x := &r.hits[h]; r.counts(ru, x) && !slices.Contains(at[:n], x.start) {
				at[n] = x.start
				if n++; n >= ru.count {
					return n
				}
			}
		}
	}
	return max(n, 1)
}

func (r *run) holds(ru *rule, f *finding) bool {
	if len(ru.mailbox) > 0 && !slices.Contains(ru.mailbox, r.mailbox) {
		return false
	}
	for _, n := range ru.requires {
		if !r.findings[n].holds {
			return false
		}
	}
	for _, n := range ru.unless {
		if r.findings[n].holds {
			return false
		}
	}
	if len(ru.requireAny) > 0 && !slices.ContainsFunc(ru.requireAny, func(n int) bool { return r.findings[n].holds }) {
		return false
	}
	if len(ru.sender) > 0 && !slices.ContainsFunc(ru.sender, r.sentBy) {
		return false
	}
	if len(ru.attachment) > 0 && !r.attached(ru) {
		return false
	}
	if !ru.words() {
		// Without words of its own a rule shows those of a rule it needs.
		for _, list := range [][]int{ru.requires, ru.requireAny} {
			for _, n := range list {
				if r.findings[n].holds && r.findings[n].evidence >= 0 {
					f.evidence = r.findings[n].evidence
					break
				}
			}
		}
		return len(ru.not) == 0 || r.findText(ru, ru.not) < 0
	}
	lead := ru.any
	rest := ru.all
	if len(lead) == 0 {
		lead, rest = ru.all[0], ru.all[1:]
	}
	if ru.within == withinMail {
		if len(ru.not) > 0 && r.findText(ru, ru.not) >= 0 {
			return false
		}
		for _, list := range rest {
			if r.findText(ru, list) < 0 {
				return false
			}
		}
		f.evidence = r.findText(ru, lead)
		return f.evidence >= 0
	}
	best := int32(-1)
	for _, p := range lead {
		for h := r.first[p]; h >= 0; h = r.hits[h].next {
			x := &r.hits[h]
			if !r.counts(ru, x) || best >= 0 && r.hits[best].field >= x.field {
				continue
			}
			if len(ru.not) > 0 && r.find(ru, ru.not, x.sentence, x) >= 0 {
				continue
			}
			if !slices.ContainsFunc(rest, func(list []int) bool { return r.find(ru, list, x.sentence, x) < 0 }) {
				best = h
			}
		}
	}
	f.evidence = best
	return best >= 0
}

func (r *run) sentBy(pattern string) bool {
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		return r.domain == rest || strings.HasSuffix(r.domain, pattern[1:])
	}
	return r.domain == pattern
}

func (r *run) attached(ru *rule) bool {
	for i := range r.mail.Attachments[:min(len(r.mail.Attachments), 100)] {
		for _, re := range ru.attachment {
			if re.MatchString(cut(r.mail.Attachments[i].Filename, 255)) {
				return true
			}
		}
	}
	return false
}

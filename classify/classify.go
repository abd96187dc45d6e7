package classify

import (
	"bytes"
	_ "embed"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"radicado/ticket"
)

//go:embed rules.toml
var defaultRules []byte

// Values of [ticket.Reason.Source] that rules give.
const (
	sourceRule    = "rule"
	sourceMailbox = "mailbox"
)

// Limits of what a classification says.
const (
	maxReasons  = 12
	maxEvidence = 160 // bytes of the mail shown for a reason
)

// Classifier decides type and priority of mails by rules. It is safe for
// concurrent use and gives the same answer to the same mail always.
type Classifier struct {
	rules *ruleset
	runs  sync.Pool // of *run
}

// DefaultRules returns the embedded rules file, to be shown, or copied and
// changed by an operator.
func DefaultRules() []byte { return bytes.Clone(defaultRules) }

// Default returns a classifier by the embedded rules. An error means that the
// program was built with a faulty file.
func Default() (*Classifier, error) { return Load(bytes.NewReader(defaultRules)) }

// Load returns a classifier by an operator's rules file (TOML, at most 1 MB).
// The error lists every fault: an unknown key with line and column, a faulty
// rule with line, name and what is allowed.
func Load(r io.Reader) (*Classifier, error) {
	f, data, err := readFile(r)
	if err != nil {
		return nil, err
	}
	rs, err := compileRules(f, findRuleLines(data))
	if err != nil {
		return nil, err
	}
	c := &Classifier{rules: rs}
	c.runs.New = func() any { return newRun(rs) }
	return c, nil
}

// Classify decides about a mail by its subject, new text, sender and
// attachments, and the name of the mailbox in which it arrived. It reads at
// most [MaxText] bytes of text and changes nothing.
func (c *Classifier) Classify(m *ticket.Mail, mailbox string) ticket.Classification {
	r := c.runs.Get().(*run)
	defer func() {
		r.mail = nil
		r.text = [2]string{}
		c.runs.Put(r)
	}()
	rs := c.rules
	r.prepare(m, mailbox)

	r.types = rs.baseType
	box, known := rs.mailboxes[mailbox]
	if !known {
		box.fallback = typeIndex(ticket.Peticion)
	}
	for i, w := range box.types {
		r.types[i] += w
	}
	r.prios = [priorities]float64{}
	r.evaluate(-1)
	t, typeConfidence := softmax(r.types[:], rs.temperature[0])
	spoken := r.spoken()
	if !spoken {
		t, typeConfidence = box.fallback, 1.0/types
	}

	for i, w := range rs.basePriority[t] {
		r.prios[i] += w
	}
	r.evaluate(t)
	p, priorityConfidence := softmax(r.prios[:], rs.temperature[1])

	out := ticket.Classification{
		Type: ticket.Types()[t], TypeConfidence: typeConfidence,
		Priority: ticket.Priority(p + 1), PriorityConfidence: priorityConfidence,
	}
	out.Review = typeConfidence < rs.review[0] || priorityConfidence < rs.review[1] || !spoken
	out.Term = r.term(out.Type)
	out.Reasons = r.reasons(t, p, box.types[t])
	return out
}

// spoken reports whether any rule said something about the type.
func (r *run) spoken() bool {
	for i := range r.findings {
		if r.findings[i].holds && r.rs.rules[i].types != ([types]float64{}) {
			return true
		}
	}
	return false
}

// term returns the term of the first rule that holds and names one.
func (r *run) term(t ticket.Type) ticket.TermCode {
	for i := range r.findings {
		if r.findings[i].holds && r.rs.rules[i].term != "" {
			return r.rs.rules[i].term
		}
	}
	return ticket.DefaultTerm(t)
}

// reasons lists what spoke for or against the decision, the weightiest first.
func (r *run) reasons(t, p int, box float64) []ticket.Reason {
	out := make([]ticket.Reason, 0, maxReasons)
	add := func(x ticket.Reason) {
		at := slices.IndexFunc(out, func(o ticket.Reason) bool { return math.Abs(o.Weight) < math.Abs(x.Weight) })
		switch {
		case at < 0 && len(out) < maxReasons:
			out = append(out, x)
		case at >= 0:
			if len(out) == maxReasons {
				out = out[:maxReasons-1]
			}
			out = slices.Insert(out, at, x)
		}
	}
	if box != 0 {
		add(ticket.Reason{Source: sourceMailbox, Name: "mailbox." + r.mailbox, Evidence: r.mailbox, Weight: box})
	}
	for i := range r.findings {
		f, ru := &r.findings[i], &r.rs.rules[i]
		if !f.holds {
			continue
		}
		w := ru.types[t] * f.weight
		if v := ru.priorities[p] * f.weight; math.Abs(v) > math.Abs(w) {
			w = v
		}
		if w == 0 && ru.term == "" {
			continue
		}
		add(ticket.Reason{Source: sourceRule, Name: ru.name, Evidence: r.evidence(f), Weight: w})
	}
	return out
}

// evidence returns the mail's words that made a rule hold, as they stand there.
func (r *run) evidence(f *finding) string {
	if f.evidence < 0 {
		return ""
	}
	h := &r.hits[f.evidence]
	text := r.text[0]
	if h.field == inText {
		text = r.text[1]
	}
	// Two words on each side, where the sentence has them, let a lead judge.
	start, end := h.start, h.end
	for n := 0; n < 2 && start > 0 && r.scan.tokens[start-1].sentence == h.sentence; n++ {
		start--
	}
	for n := 0; n < 2 && int(end) < len(r.scan.tokens) && r.scan.tokens[end].sentence == h.sentence; n++ {
		end++
	}
	from, to := r.scan.tokens[start].start, r.scan.tokens[end-1].end
	return strings.ToValidUTF8(cut(text[from:to], maxEvidence), "\uFFFD")
}

// cut shortens s to n bytes at most, at the beginning of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// softmax returns the index of the highest score and its share.
func softmax(scores []float64, temperature float64) (int, float64) {
	best := 0
	for i, s := range scores {
		if s > scores[best] {
			best = i
		}
	}
	sum := 0.0
	for _, s := range scores {
		sum += math.Exp((s - scores[best]) / temperature)
	}
	return best, 1 / sum
}

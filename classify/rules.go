package classify

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"radicado/ticket"
)

// Counts of what is decided.
const (
	types      = 7
	priorities = 4
)

// span says how near each other a rule's phrases must stand.
type span uint8

const (
	withinMail span = iota
	withinSentence
)

// polarity says what a rule makes of a phrase inside a negation.
type polarity uint8

const (
	affirmed polarity = iota // "no es una queja" does not count
	either                   // counts all the same
	denied                   // only that counts
)

// rule is one rule, compiled.
type rule struct {
	name       string
	field      field
	any        []int   // phrases, one of which must hit
	all        [][]int // of each list one must hit
	not        []int   // none may hit
	within     span
	near       int // words, 0 = no bound
	count      int // the weights count once a hit, up to this; 0 = once
	polarity   polarity
	quoted     bool // others' words count too
	mailbox    []string
	sender     []string
	attachment []*regexp.Regexp
	requires   []int // rules above
	requireAny []int
	unless     []int
	whenType   []bool // nil: always; else by index of type
	types      [types]float64
	priorities [priorities]float64
	term       ticket.TermCode
}

// words reports whether the rule needs words of the mail.
func (r *rule) words() bool { return len(r.any) > 0 || len(r.all) > 0 }

// ignore is a rule for text that says nothing, such as disclaimers.
type ignore struct {
	phrases   []int
	unless    []int
	paragraph bool // the rest of the paragraph falls with the sentence
}

// ruleset is a compiled rules file. It is immutable but for the vocabulary's
// cache.
type ruleset struct {
	vocabulary   *vocabulary
	phrases      []phrase
	byKey        [][]int32 // key -> phrases that may begin with it
	rules        []rule
	ignores      []ignore
	reach        int
	subject      float64 // weight of the subject; the text's is 1
	temperature  [2]float64
	review       [2]float64
	baseType     [types]float64
	basePriority [types][priorities]float64
	mailboxes    map[string]mailbox
}

// mailbox is what the place of arrival says: weak evidence for types, and the
// type of a mail about which no rule says anything.
type mailbox struct {
	types    [types]float64
	fallback int
}

func typeIndex(t ticket.Type) int { return slices.Index(ticket.Types(), t) }

func typeWeights(in map[string]float64) (out [types]float64, err error) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		i := typeIndex(ticket.Type(name))
		if i < 0 {
			return out, fmt.Errorf("unknown type %q: want one of %s", name, joined(ticket.Types()))
		}
		if out[i], err = in[name], badWeight(in[name]); err != nil {
			return out, fmt.Errorf("weight of %s: %w", name, err)
		}
	}
	return out, nil
}

func priorityWeights(in map[string]float64) (out [priorities]float64, err error) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		n, ok := parsePriorityKey(name)
		if !ok {
			return out, fmt.Errorf("unknown priority %q: want 1, 2, 3 or 4", name)
		}
		if out[n-1], err = in[name], badWeight(in[name]); err != nil {
			return out, fmt.Errorf("weight of priority %s: %w", name, err)
		}
	}
	return out, nil
}

func badWeight(w float64) error {
	if math.IsNaN(w) || math.Abs(w) > maxWeight {
		return fmt.Errorf("%v: want a number from -%d to %d", w, maxWeight, maxWeight)
	}
	return nil
}

func joined[S ~string](values []S) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return strings.Join(out, ", ")
}

// compileRules turns a file into a ruleset. All faults are reported, not only
// the first, each with its line and the rule's name.
func compileRules(f *file, lines ruleLines) (*ruleset, error) {
	v := newVocabulary()
	for word, forms := range f.Forms {
		for _, form := range forms {
			v.forms[fold(plain(form))] = strings.ToLower(word)
		}
	}
	for _, w := range f.Words.Negators {
		v.negators[fold(plain(w))] = true
	}
	for _, w := range f.Words.Turners {
		v.turners[fold(plain(w))] = true
	}
	for _, w := range f.Words.Disguise {
		v.disguise[fold(plain(w))] = true
	}
	d := f.Decision
	rs := &ruleset{
		vocabulary: v, reach: f.Words.Reach, subject: d.SubjectWeight,
		temperature: [2]float64{d.TypeTemperature, d.PriorityTemperature},
		review:      [2]float64{d.ReviewType, d.ReviewPriority},
		mailboxes:   map[string]mailbox{},
	}
	var faults []error
	fault := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	for i, t := range rs.temperature {
		if !(t >= 0.01 && t <= 100) {
			fault(fmt.Errorf("[decision] %s = %v: want 0.01 to 100", []string{"type_temperature", "priority_temperature"}[i], t))
		}
	}
	for i, t := range rs.review {
		if !(t >= 0 && t <= 1) {
			fault(fmt.Errorf("[decision] %s = %v: want 0 to 1", []string{"review_type_below", "review_priority_below"}[i], t))
		}
	}
	if !(rs.subject >= 0 && rs.subject <= 10) {
		fault(fmt.Errorf("[decision] subject_weight = %v: want 0 to 10", rs.subject))
	}
	if rs.reach < 0 || rs.reach > 20 {
		fault(fmt.Errorf("[words] negation_reach = %d: want 0 to 20", rs.reach))
	}
	var err error
	if rs.baseType, err = typeWeights(f.Base.Type); err != nil {
		fault(fmt.Errorf("[base.type]: %w", err))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Base.Priority)) {
		i := typeIndex(ticket.Type(name))
		if i < 0 {
			fault(fmt.Errorf("[base.priority.%s]: unknown type: want one of %s", name, joined(ticket.Types())))
			continue
		}
		if rs.basePriority[i], err = priorityWeights(f.Base.Priority[name]); err != nil {
			fault(fmt.Errorf("[base.priority.%s]: %w", name, err))
		}
	}
	for i, m := range f.Mailboxes {
		if m.Name == "" {
			fault(fmt.Errorf("[[mailbox]] number %d: has no name", i+1))
		}
		w, err := typeWeights(m.Type)
		if err != nil {
			fault(fmt.Errorf("[[mailbox]] %q: %w", m.Name, err))
		}
		box := mailbox{types: w, fallback: typeIndex(ticket.Peticion)}
		if m.Fallback != "" {
			if box.fallback = typeIndex(ticket.Type(m.Fallback)); box.fallback < 0 {
				fault(fmt.Errorf("[[mailbox]] %q: fallback: unknown type %q: want one of %s", m.Name, m.Fallback, joined(ticket.Types())))
			}
		}
		rs.mailboxes[m.Name] = box
	}
	c := &phraseCompiler{vocabulary: v, groups: f.Groups, known: map[string]int{}}
	for i, g := range f.Ignore {
		var ig ignore
		if ig.phrases, err = c.list(g.Phrases); err != nil {
			fault(fmt.Errorf("[[ignore]] number %d: %w", i+1, err))
		}
		if ig.unless, err = c.list(g.Unless); err != nil {
			fault(fmt.Errorf("[[ignore]] number %d: %w", i+1, err))
		}
		switch g.Extent {
		case "", "sentence":
		case "paragraph":
			ig.paragraph = true
		default:
			fault(fmt.Errorf("[[ignore]] number %d: extent %q: want sentence or paragraph", i+1, g.Extent))
		}
		rs.ignores = append(rs.ignores, ig)
	}
	if len(f.Rules) > maxRules {
		fault(fmt.Errorf("%d rules: at most %d", len(f.Rules), maxRules))
	}
	names := map[string]int{}
	for i := range f.Rules[:min(len(f.Rules), maxRules)] {
		fr := &f.Rules[i]
		r, errs := compileRule(fr, c, names, rs.rules)
		for _, e := range errs {
			fault(fmt.Errorf("line %d: rule %q: %w", lines.at(i, e.key), fr.Name, e.err))
		}
		names[fr.Name] = len(rs.rules)
		rs.rules = append(rs.rules, r)
	}
	if len(c.phrases) > maxPhrases {
		fault(fmt.Errorf("%d phrases: at most %d", len(c.phrases), maxPhrases))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("reading rules: %w", errors.Join(faults...))
	}
	v.seal()
	rs.phrases = c.phrases
	rs.byKey = make([][]int32, len(v.keys))
	for n := range rs.phrases {
		set := rs.phrases[n].elements[0].set
		for k := range rs.byKey {
			if k>>6 < len(set) && set[k>>6]&(1<<(k&63)) != 0 {
				rs.byKey[k] = append(rs.byKey[k], int32(n))
			}
		}
	}
	return rs, nil
}

func (c *phraseCompiler) list(entries []string) ([]int, error) {
	var out []int
	for _, e := range entries {
		n, err := c.compile(e)
		if err != nil {
			return nil, err
		}
		if out = append(out, n...); len(out) > maxPhrases {
			return nil, fmt.Errorf("more than %d phrases", maxPhrases)
		}
	}
	return out, nil
}

// keyFault is what is wrong with one key of a rule.
type keyFault struct {
	key string
	err error
}

func compileRule(fr *fileRule, c *phraseCompiler, names map[string]int, above []rule) (rule, []keyFault) {
	r := rule{name: fr.Name, near: fr.Near, count: fr.Count, quoted: fr.Quoted, mailbox: fr.Mailbox, term: ticket.TermCode(fr.Term)}
	var faults []keyFault
	fault := func(key string, format string, args ...any) {
		faults = append(faults, keyFault{key, fmt.Errorf(format, args...)})
	}
	if !ruleName.MatchString(fr.Name) {
		fault("name", "name: want lower-case letters, digits, dots and hyphens, at most 64")
	} else if _, ok := names[fr.Name]; ok {
		fault("name", "name: used by a rule above")
	}
	switch fr.Field {
	case "", "both":
		r.field = inBoth
	case "subject":
		r.field = inSubject
	case "new_text":
		r.field = inText
	default:
		fault("field", "field %q: want subject, new_text or both", fr.Field)
	}
	switch fr.Within {
	case "", "mail":
	case "sentence":
		r.within = withinSentence
	default:
		fault("within", "within %q: want mail or sentence", fr.Within)
	}
	if fr.Near < 0 || fr.Near > 100 {
		fault("near", "near %d: want 1 to 100 words", fr.Near)
	}
	if fr.Near > 0 {
		r.within = withinSentence
	}
	if fr.Count < 0 || fr.Count > 5 || fr.Count > 1 && len(fr.Any) == 0 {
		fault("count", "count %d: want 1 to 5, and any", fr.Count)
	}
	switch fr.Negated {
	case "", "no":
	case "either":
		r.polarity = either
	case "only":
		r.polarity = denied
	default:
		fault("negated", "negated %q: want no, either or only", fr.Negated)
	}
	var err error
	if r.any, err = c.list(fr.Any); err != nil {
		fault("any", "any: %w", err)
	}
	if r.not, err = c.list(fr.Not); err != nil {
		fault("not", "not: %w", err)
	}
	for _, e := range fr.All {
		n, err := c.compile(e)
		if err != nil {
			fault("all", "all: %w", err)
		}
		r.all = append(r.all, n)
	}
	for _, s := range fr.Sender {
		if !senderPattern.MatchString(s) {
			fault("sender", "sender %q: want a domain such as *.gov.co or example.org", s)
		}
		r.sender = append(r.sender, strings.ToLower(s))
	}
	for _, s := range fr.Attachment {
		re, err := regexp.Compile(s)
		if err != nil {
			fault("attachment", "attachment: %w", err)
			continue
		}
		r.attachment = append(r.attachment, re)
	}
	if len(fr.WhenType) > 0 {
		r.whenType = make([]bool, types)
	}
	for _, t := range fr.WhenType {
		i := typeIndex(ticket.Type(t))
		if i < 0 {
			fault("when_type", "when_type: unknown type %q: want one of %s", t, joined(ticket.Types()))
			continue
		}
		r.whenType[i] = true
	}
	references := func(key string, list []string) []int {
		var out []int
		for _, name := range list {
			n, ok := names[name]
			switch {
			case !ok:
				fault(key, "%s: no rule %q above this one", key, name)
			case above[n].whenType != nil && r.whenType == nil:
				fault(key, "%s: rule %q has when_type, so this one needs it too", key, name)
			default:
				out = append(out, n)
			}
		}
		return out
	}
	r.requires = references("requires", fr.Requires)
	r.requireAny = references("requires_any", fr.RequireAny)
	r.unless = references("unless", fr.Unless)
	if r.types, err = typeWeights(fr.Type); err != nil {
		fault("type", "type: %w", err)
	}
	if r.whenType != nil && len(fr.Type) > 0 {
		fault("type", "type: a rule with when_type cannot weigh types")
	}
	if r.priorities, err = priorityWeights(fr.Priority); err != nil {
		fault("priority", "priority: %w", err)
	}
	if r.term != "" && !slices.Contains(ticket.TermCodes(), r.term) {
		fault("term", "term: unknown term %q: want one of %s", fr.Term, joined(ticket.TermCodes()))
	}
	if r.term == ticket.TermPeticionConsulta {
		fault("term", "term: %s is chosen by a lead only", fr.Term)
	}
	if len(faults) == 0 && !r.words() && len(r.mailbox)+len(r.sender)+len(r.attachment)+len(fr.Requires)+len(fr.RequireAny)+len(fr.WhenType) == 0 {
		fault("", "has no condition: want any, all, mailbox, sender, attachment, requires, requires_any or when_type")
	}
	return r, faults
}

var senderPattern = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)

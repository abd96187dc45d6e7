package classify

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/spanish"
)

// key is a form by which a rule's word and a mail's word meet.
type key int32

// word is what the rules know of one written form. It is immutable.
type word struct {
	text     string
	keys     []key
	negates  bool // opens a negation
	turns    bool // opens a new clause, as "pero" does
	pivotal  bool // stands in a phrase of the rules
	disguise bool // "no solo", "no obstante": takes a negation before it away
}

var unknownWord = word{}

// cacheSize bounds the remembered forms: a desk's mail has some thousands of
// distinct words. A power of two.
const cacheSize = 1 << 13

// vocabulary maps written words to keys. After sealing it is safe for
// concurrent use: only the cache changes, and what it holds depends on the
// word alone.
type vocabulary struct {
	keys     map[string]key    // form -> key; a prefix says what kind of form
	heads    map[string]bool   // first letters of all stems: others need no stemming
	forms    map[string]string // folded irregular form -> folded word it stands for
	prefixes []int             // lengths of the "word*" forms, ascending
	numbers  []number
	negators map[string]bool
	turners  map[string]bool
	disguise map[string]bool
	signs    [3]word
	cache    [cacheSize]atomic.Pointer[word]
}

type number struct {
	least int
	key   key
}

// headLetters is how much of a stem its words share: Spanish and English
// suffixes leave the first letters alone.
const headLetters = 3

func newVocabulary() *vocabulary {
	return &vocabulary{
		keys: map[string]key{}, heads: map[string]bool{}, forms: map[string]string{},
		negators: map[string]bool{}, turners: map[string]bool{}, disguise: map[string]bool{},
	}
}

func (v *vocabulary) intern(form string) key {
	k, ok := v.keys[form]
	if !ok {
		k = key(len(v.keys))
		v.keys[form] = k
	}
	return k
}

// Kinds of form, as prefixes of the map's keys.
const (
	exactForm   = "="
	spanishForm = "s:"
	englishForm = "e:"
	prefixForm  = "*"
	numberForm  = "#"
	signForm    = "!"
)

// stems returns the folded stems of a lower-case word: of the word as written
// and of the word without accents, because the stemmer needs the accents and
// customers leave them out.
func (v *vocabulary) stems(w, kind string) []string {
	folded := fold(w)
	if lemma, ok := v.forms[folded]; ok && kind == spanishForm {
		w, folded = lemma, fold(lemma)
	}
	a := fold(stem(w, kind))
	if w == folded {
		return []string{a}
	}
	if b := fold(stem(folded, kind)); b != a {
		return []string{a, b}
	}
	return []string{a}
}

func stem(w, kind string) string {
	if len(w) <= headLetters {
		return w
	}
	env := snowballstem.NewEnv(w)
	if kind == englishForm {
		english.Stem(env)
	} else {
		spanish.Stem(env)
	}
	return env.Current()
}

func head(s string) string { return s[:min(len(s), headLetters)] }

// seal fixes the vocabulary; lookups may begin.
func (v *vocabulary) seal() {
	for form := range v.keys {
		if rest, ok := strings.CutPrefix(form, spanishForm); ok {
			v.heads[head(rest)] = true
		} else if rest, ok := strings.CutPrefix(form, englishForm); ok {
			v.heads[head(rest)] = true
		}
	}
	// An irregular form may begin otherwise than its word ("vuelvan", "volver").
	for form := range v.forms {
		v.heads[head(form)] = true
	}
	slices.Sort(v.prefixes)
	v.prefixes = slices.Compact(v.prefixes)
	for i, r := range []rune{'$', '%', '?'} {
		v.signs[i] = word{text: string(r)}
		if k, ok := v.keys[signForm+string(r)]; ok {
			v.signs[i].keys = []key{k}
			v.signs[i].pivotal = true
		}
	}
}

func (v *vocabulary) sign(r rune) *word {
	switch r {
	case '$':
		return &v.signs[0]
	case '%':
		return &v.signs[1]
	}
	return &v.signs[2]
}

// lookup returns what the rules know of a lower-case word.
func (v *vocabulary) lookup(w []byte) *word {
	h := uint64(14695981039346656037)
	for _, b := range w {
		h = (h ^ uint64(b)) * 1099511628211
	}
	// Two neighbouring slots a word: with one, two common words that share it
	// would drive each other out in every mail.
	at := (h ^ h>>29) & (cacheSize - 1)
	first := v.cache[at].Load()
	if first != nil && first.text == string(w) {
		return first
	}
	if second := v.cache[at^1].Load(); second != nil && second.text == string(w) {
		return second
	}
	fresh := v.resolve(string(w))
	if first != nil {
		v.cache[at^1].Store(first)
	}
	v.cache[at].Store(fresh)
	return fresh
}

// resolve works out a word's keys.
func (v *vocabulary) resolve(w string) *word {
	folded := fold(w)
	out := &word{text: w, negates: v.negators[folded], turns: v.turners[folded], disguise: v.disguise[folded]}
	add := func(form string) {
		if k, ok := v.keys[form]; ok && !slices.Contains(out.keys, k) {
			out.keys = append(out.keys, k)
		}
	}
	add(exactForm + folded)
	if isDigit(w[0]) {
		value := numberValue(w)
		for _, n := range v.numbers {
			if value >= n.least {
				out.keys = append(out.keys, n.key)
			}
		}
	} else if v.heads[head(folded)] {
		for _, kind := range []string{spanishForm, englishForm} {
			for _, s := range v.stems(w, kind) {
				add(kind + s)
			}
		}
	}
	for _, n := range v.prefixes {
		if n > len(folded) {
			break
		}
		add(prefixForm + folded[:n])
	}
	out.pivotal = len(out.keys) > 0
	return out
}

// numberValue reads the digits of "1.140" or "50m" as a count, at most a
// billion; "10:30" and other mixtures count as 0.
func numberValue(w string) int {
	n := 0
	for i := range len(w) {
		switch {
		case isDigit(w[i]):
			if n = n*10 + int(w[i]-'0'); n > 1e9 {
				return 1e9
			}
		default:
			return 0
		}
	}
	return n
}

func (v *vocabulary) addNumber(least int) key {
	k := v.intern(numberForm + strconv.Itoa(least))
	if !slices.ContainsFunc(v.numbers, func(n number) bool { return n.key == k }) {
		v.numbers = append(v.numbers, number{least, k})
	}
	return k
}

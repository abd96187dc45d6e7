package classify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is read of one mail.
const (
	MaxText    = 64 << 10 // bytes of new text considered
	MaxSubject = 1 << 10  // bytes of subject considered; longer ones are not written by people
	maxWord    = 48       // bytes of a word; longer runs are keys or attacks and match nothing
	maxTokens  = 16 << 10 // words and signs of one mail
)

// field says where a word stands.
type field uint8

const (
	inSubject field = 1 << iota
	inText
	inBoth = inSubject | inText
)

// token is one word or sign of the mail.
type token struct {
	start, end int32 // bytes in the text of its field
	sentence   int32 // counts over both fields; a phrase never crosses it
	clause     int32 // likewise; a negation never crosses it
	field      field
	quoted     bool // inside quotation marks: others' words
	initial    bool // first of its sentence
	paragraph  int32
	word       *word
}

// abbreviations end in a full stop that ends no sentence.
var abbreviations = map[string]bool{
	"ing": true, "dr": true, "dra": true, "sr": true, "sra": true, "srta": true, "art": true, "num": true,
	"no": true, "ext": true, "tel": true, "rad": true, "ref": true, "cc": true, "av": true, "aprox": true, "mr": true, "ms": true,
}

// tokenizer cuts one mail into tokens. It belongs to one call of Classify.
type tokenizer struct {
	vocabulary *vocabulary
	tokens     []token
	buf        [maxWord]byte
	sentence   int32
	clause     int32
	paragraph  int32
}

// add appends the tokens of text. Lines that begin with ">" are others' words
// and are left out.
func (t *tokenizer) add(text string, f field) {
	t.sentence++
	t.clause++
	t.paragraph++
	initial, quoted, lineStart := true, false, true
	lineBreaks := 0
	endSentence := func() {
		if !initial {
			t.sentence++
			t.clause++
			initial = true
		}
	}
	push := func(start, end int, w *word) {
		t.tokens = append(t.tokens, token{
			start: int32(start), end: int32(end), sentence: t.sentence, clause: t.clause,
			field: f, quoted: quoted, initial: initial, paragraph: t.paragraph, word: w,
		})
		initial = false
	}
	for i := 0; i < len(text) && len(t.tokens) < maxTokens; {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if lineStart && r == '>' {
			if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(text)
			}
			lineStart = false
			continue
		}
		if r != ' ' && r != '\t' && r != '\r' && r != '\n' {
			lineBreaks = 0
			lineStart = false
		}
		if isWordRune(r) {
			start := i
			n, fits := 0, true
			for i < len(text) {
				r, size = rune(text[i]), 1
				if r >= utf8.RuneSelf {
					r, size = utf8.DecodeRuneInString(text[i:])
				}
				if !isWordRune(r) {
					// 11.379 and 10:30 are one number, a.m. is one word.
					if (r == '.' || r == ',' || r == ':') && i+1 < len(text) && isDigit(text[i-1]) && isDigit(text[i+1]) {
						i += size
						continue
					}
					// can't is one word, written cant.
					if (r == '\'' || r == '’') && i+size < len(text) && isLetter(text[i-1]) && isLetter(text[i+size]) {
						i += size
						continue
					}
					break
				}
				i += size
				if unicode.Is(unicode.Mn, r) {
					continue
				}
				r = lower(r)
				if n+utf8.RuneLen(r) > maxWord {
					fits = false
					continue
				}
				n += utf8.EncodeRune(t.buf[n:], r)
			}
			if n == 0 {
				continue
			}
			w := &unknownWord
			if fits {
				w = t.vocabulary.lookup(t.buf[:n])
			}
			push(start, i, w)
			continue
		}
		switch r {
		case '$', '%', '?':
			push(i, i+size, t.vocabulary.sign(r))
			if r == '?' {
				endSentence()
			}
		case '¿':
			endSentence()
			push(i, i+size, t.vocabulary.sign('?'))
		case '!', ';':
			endSentence()
		case '.':
			if !t.abbreviated(text, i, f) {
				endSentence()
			}
		case '\n':
			lineBreaks++
			lineStart = true
			if lineBreaks >= 2 {
				endSentence()
				t.paragraph++
			} else if shortLine(text, i) {
				endSentence()
			}
			quoted = quoted && lineBreaks < 2
		case '"', '“', '”', '«', '»':
			quoted = r != '”' && r != '»' && (r == '“' || r == '«' || !quoted)
		case ',', ':', '(', ')', '–', '—':
			t.clause++
		case '-':
			if i > 0 && text[i-1] == ' ' {
				t.clause++
			}
		}
		i += size
	}
}

// abbreviated reports whether the full stop at i does not end a sentence: it
// is inside a word such as "a.m." or follows a title.
func (t *tokenizer) abbreviated(text string, i int, f field) bool {
	if i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\n' && text[i+1] != '\r' && text[i+1] != '"' && text[i+1] != ')' {
		return true
	}
	if len(t.tokens) == 0 {
		return true
	}
	last := t.tokens[len(t.tokens)-1]
	if last.field != f || int(last.end) != i {
		return false
	}
	if last.end-last.start == 1 && !isDigit(text[last.start]) {
		return true
	}
	if last.end-last.start > 6 {
		return false
	}
	// "No. 12" is a number, "No. Quiero" is an answer.
	w := strings.ToLower(text[last.start:last.end])
	return abbreviations[w] && (w != "no" || i+2 < len(text) && isDigit(text[i+2]))
}

// shortLine reports whether the line that ends at i is too short to have been
// wrapped, so that its end is a sentence's end.
func shortLine(text string, i int) bool {
	start := strings.LastIndexByte(text[max(0, i-60):i], '\n')
	return start >= 0 || i < 60
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
}

func lower(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(r)
}

// fold takes the accents off, ñ included: customers write without them.
func fold(word string) string {
	i := strings.IndexFunc(word, func(r rune) bool { return r >= utf8.RuneSelf })
	if i < 0 {
		return word
	}
	var b strings.Builder
	for _, r := range word {
		switch r {
		case 'á', 'à', 'â', 'ä', 'ã':
			r = 'a'
		case 'é', 'è', 'ê', 'ë':
			r = 'e'
		case 'í', 'ì', 'î', 'ï':
			r = 'i'
		case 'ó', 'ò', 'ô', 'ö', 'õ':
			r = 'o'
		case 'ú', 'ù', 'û', 'ü':
			r = 'u'
		case 'ñ':
			r = 'n'
		case 'ç':
			r = 'c'
		}
		b.WriteRune(r)
	}
	return b.String()
}

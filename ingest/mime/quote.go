package mime

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

type headerKind int

const (
	noHeader headerKind = iota
	attribution
	replyBlock
	forwardHeader
)

// quoteHeader is what a client writes above the mail it quotes or forwards.
type quoteHeader struct {
	kind    headerKind
	lines   int
	subject string // of the mail below, where the header has it
}

const (
	attributionLines = 5  // over which "El ... escribió:" may be wrapped
	blockLines       = 16 // of a header block looked at
)

var (
	forwardMark = regexp.MustCompile(`^-{2,} ?(forwarded message|forwarded mail|mensaje reenviado|correo reenviado|mensagem encaminhada|mensagem reencaminhada|message transfere|weitergeleitete nachricht) ?-{2,}`)
	forwardLine = regexp.MustCompile(`^(inicio del mensaje reenviado|inicio de mensaje reenviado|begin forwarded message|inicio da mensagem (reencaminhada|encaminhada)) ?:?$`)
	replyMark   = regexp.MustCompile(`^-{2,} ?(mensaje original|original message|mensagem original|mensaje originario|message d'origine|ursprungliche nachricht|original-nachricht|original appointment|cita original) ?-{2,}$`)
	ruler       = regexp.MustCompile(`^[_-]{10,}$`)

	attributionStart = regexp.MustCompile(`^(el |on |em |no dia |le |am |il )`)
	attributionEnd   = regexp.MustCompile(`\b(escribio|wrote|escreveu|a ecrit|ha scritto|schrieb)( lo siguiente)? ?:?$`)
	attributionNoise = regexp.MustCompile(`\b(me|nos|le|les|se|que|no|y|quien|ella|i|we|who) (escribio|wrote)`)
	attributionDate  = regexp.MustCompile(`\d{1,2}[:.h]\d{2}|\b\d{4}\b|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|@`)
	attributionFirst = regexp.MustCompile(`^-* ?[^:]{1,120}[<\[(][^ <>]+@[^ <>]+[>\])].{0,60}\b(escribio|wrote|escreveu)\b.{0,60}:?( ?-+)?$`)
	attributionOld   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}.{0,60}<[^ <>]+@[^ <>]+> ?:$`)

	blockFrom    = regexp.MustCompile(`^(de|from|von|da|expediteur) ?: ?\S`)
	blockDate    = regexp.MustCompile(`^(enviado|enviado el|enviados|enviada em|enviado em|fecha|sent|date|data|gesendet|envoye|fecha de envio) ?:`)
	blockTo      = regexp.MustCompile(`^(para|to|an|a) ?:`)
	blockSubject = regexp.MustCompile(`^(asunto|subject|assunto|betreff|objet|oggetto) ?: ?(.*)$`)
	blockOther   = regexp.MustCompile(`^(cc|cco|bcc|responder a|responder para|reply-to|importancia|importance|prioridad|priority|adjuntos|datos adjuntos|attachments) ?:`)
	yahooSubject = regexp.MustCompile(`(?:asunto|subject|assunto): ?(.*)$`)

	forwardSubject = regexp.MustCompile(`^(\[[^\]]{0,40}\] ?|\*+[^*]{0,20}\*+ ?)*(rv|fw|fwd|enc|reenv|wg|tr|i|reenviado|reenviada) ?(\[\d+\])? ?:`)
	replySubject   = regexp.MustCompile(`^(\[[^\]]{0,40}\] ?|\*+[^*]{0,20}\*+ ?)*(re|res|r|aw|sv|antw) ?(\[\d+\])? ?:`)
)

func isForwardSubject(s string) bool { return forwardSubject.MatchString(foldLine(s)) }
func isReplySubject(s string) bool   { return replySubject.MatchString(foldLine(s)) }

// isForwardMark reports whether a folded line says that a forwarded mail follows.
func isForwardMark(key string) bool {
	return forwardMark.MatchString(key) || forwardLine.MatchString(key)
}

// headerAt recognises the header of a quoted or forwarded mail that starts in
// line i. subject is that of the mail whose text this is: it tells whether a
// header block without a mark is a forward.
func headerAt(lines []textLine, i int, subject string) quoteHeader {
	key := lines[i].key
	switch key[0] {
	case '-', '_':
		return markedHeader(lines, i, subject)
	case 'i', 'b':
		if forwardLine.MatchString(key) {
			return forwarded(lines, i)
		}
	}
	if blockFrom.MatchString(key) {
		if n, subj := headerBlock(lines, i); n > 0 {
			return block(n, subj, subject, i)
		}
	}
	if n := attributionAt(lines, i); n > 0 {
		return quoteHeader{kind: attribution, lines: n}
	}
	return quoteHeader{}
}

// block decides whether a header block forwards or quotes.
func block(n int, subj, subject string, i int) quoteHeader {
	h := quoteHeader{kind: replyBlock, lines: n, subject: subj}
	// At the very top of a mail that answers nothing the block is a forward
	// whose subject was changed.
	if isForwardSubject(subject) || i == 0 && !isReplySubject(subject) {
		h.kind = forwardHeader
	}
	return h
}

func markedHeader(lines []textLine, i int, subject string) quoteHeader {
	key := lines[i].key
	if forwardMark.MatchString(key) {
		return forwarded(lines, i)
	}
	isReply := replyMark.MatchString(key)
	if !isReply && !ruler.MatchString(key) {
		if n := attributionAt(lines, i); n > 0 {
			return quoteHeader{kind: attribution, lines: n}
		}
		return quoteHeader{}
	}
	j := skipBlank(lines, i+1, 3)
	if j < len(lines) && blockFrom.MatchString(lines[j].key) {
		if n, subj := headerBlock(lines, j); n > 0 {
			h := block(n, subj, subject, i)
			h.lines += j - i
			return h
		}
	}
	if isReply {
		return quoteHeader{kind: replyBlock, lines: 1}
	}
	return quoteHeader{}
}

func forwarded(lines []textLine, i int) quoteHeader {
	h := quoteHeader{kind: forwardHeader, lines: 1}
	if m := yahooSubject.FindStringSubmatch(lines[i].key); m != nil { // all on one line
		h.subject = m[1]
		return h
	}
	if j := skipBlank(lines, i+1, 3); j < len(lines) && label(lines[j].key) {
		if n, subj := headerBlock(lines, j); n > 0 {
			h.lines = j - i + n
			h.subject = subj
		}
	}
	return h
}

func skipBlank(lines []textLine, i, most int) int {
	for n := 0; i < len(lines) && n < most && lines[i].key == ""; n++ {
		i++
	}
	return i
}

func label(key string) bool {
	return blockFrom.MatchString(key) || blockDate.MatchString(key) || blockTo.MatchString(key) ||
		blockSubject.MatchString(key) || blockOther.MatchString(key)
}

// headerBlock measures the block of "De: / Enviado el: / Para: / Asunto:" at
// line i; 0 if there are too few labels for one. Values may be wrapped.
func headerBlock(lines []textLine, i int) (n int, subject string) {
	var from, date, to, subj bool
	other := 0
	for j := i; j < len(lines) && j < i+blockLines; j++ {
		key := lines[j].key
		switch {
		case key == "":
			if subj && (date || to) || j-i > n+1 {
				return done(n, from, date, to, subj), subject
			}
			other++
		case blockFrom.MatchString(key):
			if from {
				return done(n, from, date, to, subj), subject
			}
			from, other = true, 0
			n = j - i + 1
		case blockDate.MatchString(key):
			date, other = true, 0
			n = j - i + 1
		case blockTo.MatchString(key):
			to, other = true, 0
			n = j - i + 1
		case blockSubject.MatchString(key):
			if !subj {
				subject = blockSubject.FindStringSubmatch(key)[2]
			}
			subj, other = true, 0
			n = j - i + 1
		case blockOther.MatchString(key):
			other = 0
			n = j - i + 1
		default:
			other++
			if other > 3 || subj && date {
				return done(n, from, date, to, subj), subject
			}
		}
	}
	return done(n, from, date, to, subj), subject
}

func done(n int, from, date, to, subj bool) int {
	if from && (date && (to || subj) || to && subj) || date && subj && to {
		return n
	}
	return 0
}

// attributionAt measures "El ... escribió:" at line i, wrapped or not.
func attributionAt(lines []textLine, i int) int {
	key := lines[i].key
	if strings.Contains(key, "@") && (attributionOld.MatchString(key) ||
		saysWrote(key) && attributionFirst.MatchString(key) && !attributionNoise.MatchString(key)) {
		return 1
	}
	if !attributionStart.MatchString(key) {
		return 0
	}
	length := -1
	for n := 0; n < attributionLines && i+n < len(lines); n++ {
		l := lines[i+n]
		if l.key == "" || l.depth != lines[i].depth {
			return 0
		}
		if length += 1 + len(l.key); length > 500 {
			return 0
		}
		if saysWrote(l.key) && attributionEnd.MatchString(l.key) {
			joined := joinKeys(lines[i : i+n+1])
			if attributionDate.MatchString(joined) && !attributionNoise.MatchString(joined) {
				return n + 1
			}
			return 0
		}
	}
	return 0
}

func joinKeys(lines []textLine) string {
	keys := make([]string, len(lines))
	for i, l := range lines {
		keys[i] = l.key
	}
	return strings.Join(keys, " ")
}

// saysWrote spares most lines the costly patterns.
func saysWrote(key string) bool {
	for _, verb := range [...]string{"escribio", "wrote", "escreveu", "ecrit", "scritto", "schrieb"} {
		if strings.Contains(key, verb) {
			return true
		}
	}
	return false
}

// foldLine makes a line comparable: lower case without accents or bold marks,
// single blanks, mojibake of UTF-8 read as windows-1252 undone.
func foldLine(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 2000 {
		s = clip(s, 2000)
	}
	if folded, ok := foldLatin(s); ok {
		s = folded
	} else {
		s = foldFull(s)
	}
	s = strings.ReplaceAll(s, "*", "")
	if strings.Contains(s, "  ") || strings.ContainsAny(s, "\t\n") || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return s
}

func foldFull(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r) || r == '\u200b' || r == '\u200e' || r == '\u200f':
			return -1
		case unicode.IsSpace(r):
			return ' '
		case r == '–' || r == '—':
			return '-'
		case r == '’':
			return '\''
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(mojibake.Replace(s)))
}

var mojibake = strings.NewReplacer("Ã¡", "a", "Ã©", "e", "Ã\u00ad", "i", "Ã³", "o", "Ãº", "u", "Ã±", "n", "Ã£", "a", "Ã§", "c", "Â\u00a0", " ", "Â ", " ")

// baseLetter folds the letters of Spanish with accents as the full folding does;
// ok is false for any other character.
func baseLetter(r rune) (base rune, ok bool) {
	switch r {
	case 'á', 'Á':
		return 'a', true
	case 'é', 'É':
		return 'e', true
	case 'í', 'Í':
		return 'i', true
	case 'ó', 'Ó':
		return 'o', true
	case 'ú', 'Ú', 'ü', 'Ü':
		return 'u', true
	case 'ñ', 'Ñ':
		return 'n', true
	case '\u00a0':
		return ' ', true
	case '¿', '¡':
		return r, true
	}
	return 0, false
}

// foldLatin folds a line of ASCII and Spanish letters, nearly every one, without
// the tables of Unicode. It is false for lines with other characters.
func foldLatin(s string) (string, bool) {
	plain := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return strings.ToLower(s), true
	}
	var sb strings.Builder
	sb.Grow(len(s))
	for _, r := range s {
		if r < utf8.RuneSelf {
			c := byte(r)
			switch {
			case 'A' <= c && c <= 'Z':
				c += 'a' - 'A'
			case '\t' <= c && c <= '\r':
				c = ' '
			}
			sb.WriteByte(c)
			continue
		}
		base, ok := baseLetter(r)
		if !ok {
			return "", false
		}
		sb.WriteRune(base)
	}
	return sb.String(), true
}

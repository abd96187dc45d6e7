package mime

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxTags     = 256     // open elements that are told apart; deeper ones are only counted
	maxHref     = 500     // bytes of a link that is shown
	maxHTMLText = 2 << 20 // bytes of text made of HTML
)

// htmlText makes plain text of HTML: blocks become lines, links show their
// address, styles and scripts go, and what HTML marks as quoted gets "> ", so
// that quotes are found in one way. The work is linear in the input, whatever
// its nesting.
func htmlText(s string) string {
	z := html.NewTokenizer(strings.NewReader(s))
	w := htmlWriter{}
	for w.size < maxHTMLText {
		switch z.Next() {
		case html.ErrorToken:
			return w.finish()
		case html.TextToken:
			if w.skip == "" && w.hidden == 0 {
				w.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(string(name))
		}
	}
	return w.finish()
}

type element struct {
	name   string
	quote  quoteKind
	hidden bool
}

type quoteKind int

const (
	notQuoted   quoteKind = iota
	blockQuote            // all inside is quoted
	quoteHolder           // a client's container: quoted up to the first blockquote's end, unless it holds a forward
	freed                 // a container that turned out to hold what the sender wrote
)

type htmlWriter struct {
	lines    []string
	line     strings.Builder
	lineQ    int // quote depth where the line began
	space    bool
	gap      bool // a blank line is wanted before the next text
	size     int
	stack    []element
	over     int // open elements beyond maxTags
	skip     string
	skipN    int
	hidden   int
	pre      int
	href     string
	hrefText strings.Builder
}

func (w *htmlWriter) quoteDepth() int {
	n := 0
	for i := range w.stack {
		if q := w.stack[i].quote; q == blockQuote || q == quoteHolder && n == 0 {
			n++
		}
	}
	return min(n, 5)
}

// text adds a run of text, its blanks collapsed outside of <pre>.
func (w *htmlWriter) text(s string) {
	if w.line.Len() == 0 && !blankHTML(s) {
		w.freeForward(s)
	}
	if w.href != "" && w.hrefText.Len() < maxHref {
		w.hrefText.WriteString(s)
	}
	for _, r := range s {
		if r == '\n' && w.pre > 0 {
			w.newline()
			continue
		}
		if w.pre == 0 && (r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f') {
			w.space = true
			continue
		}
		if r == '\u00a0' || r == '\u202f' {
			r = ' '
		}
		w.put(r)
	}
}

func (w *htmlWriter) put(r rune) {
	if w.line.Len() == 0 {
		w.lineQ = w.quoteDepth()
	} else if w.space {
		w.line.WriteByte(' ')
	}
	w.space = false
	w.line.WriteRune(r)
}

func blankHTML(s string) bool { return strings.TrimFunc(s, unicode.IsSpace) == "" }

// freeForward frees the container whose first text says that it is a forward:
// that is what the sender wants to be read.
func (w *htmlWriter) freeForward(s string) {
	for i := range w.stack {
		if w.stack[i].quote == quoteHolder && isForwardMark(foldLine(clip(s, 200))) {
			w.stack[i].quote = freed
		}
	}
}

func (w *htmlWriter) newline() {
	s := strings.TrimRightFunc(w.line.String(), unicode.IsSpace)
	if s != "" {
		if w.gap && len(w.lines) > 0 && w.lines[len(w.lines)-1] != "" {
			w.lines = append(w.lines, "")
		}
		w.gap = false
		if w.lineQ > 0 {
			s = strings.Repeat(">", w.lineQ) + " " + s
		}
		w.lines = append(w.lines, s)
		w.size += len(s) + 1
	} else if w.line.Len() > 0 {
		w.gap = true // a paragraph with nothing but a hard blank
	}
	w.line.Reset()
	w.space = false
}

// brk ends the line; a second one in a row leaves a blank line.
func (w *htmlWriter) brk() {
	if strings.TrimSpace(w.line.String()) == "" {
		w.line.Reset()
		w.gap = true
		return
	}
	w.newline()
}

func (w *htmlWriter) start(t html.Token) {
	name := t.Data
	if w.skip != "" {
		if name == w.skip && t.Type == html.StartTagToken {
			w.skipN++
		}
		if w.skip != "body" && name == "body" { // an element of the head was never closed
			w.skip = ""
		}
		return
	}
	switch t.DataAtom {
	case atom.Script, atom.Style, atom.Title, atom.Template, atom.Svg, atom.Noscript, atom.Object, atom.Iframe, atom.Textarea, atom.Select:
		if t.Type == html.StartTagToken {
			w.skip, w.skipN = name, 1
		}
		return
	case atom.Br:
		if w.hidden == 0 {
			w.brk()
		}
		return
	case atom.Hr:
		w.newline()
		return
	case atom.Img:
		// Emoji come as pictures with the character as their text.
		if alt := attr(t, "alt"); alt != "" && len([]rune(alt)) <= 3 && w.hidden == 0 {
			w.text(alt)
		}
		return
	case atom.Meta, atom.Link, atom.Input, atom.Base, atom.Col, atom.Wbr, atom.Area, atom.Embed, atom.Source:
		return
	}
	e := element{name: name}
	class, id := attr(t, "class"), attr(t, "id")
	switch {
	case t.DataAtom == atom.Blockquote:
		e.quote = blockQuote
	case hasClass(class, "gmail_quote"), hasClass(class, "gmail_quote_container"), hasClass(class, "yahoo_quoted"),
		hasClass(class, "gmail_attr"), hasClass(class, "moz-cite-prefix"), hasClass(class, "protonmail_quote"), hasClass(class, "zmail_extra"):
		e.quote = quoteHolder
	case id == "divRplyFwdMsg", id == "appendonsend":
		w.newline()
		w.gap = true
	}
	if style := attr(t, "style"); strings.Contains(style, "isplay") || strings.Contains(style, "DISPLAY") || strings.Contains(style, "mso-hide") {
		style = strings.ToLower(strings.ReplaceAll(clip(style, 2000), " ", ""))
		e.hidden = strings.Contains(style, "display:none") || strings.Contains(style, "mso-hide:all")
	}
	if t.DataAtom == atom.P || t.DataAtom == atom.Li || t.DataAtom == atom.Td || t.DataAtom == atom.Tr || t.DataAtom == atom.Th {
		if n := len(w.stack); n > 0 && w.over == 0 && w.stack[n-1].name == name {
			w.pop(n - 1) // its end tag is optional
		}
	}
	w.block(t.DataAtom, strings.Contains(class, "MsoNormal"))
	if t.Type == html.SelfClosingTagToken && t.DataAtom != atom.Div && t.DataAtom != atom.P {
		return
	}
	switch t.DataAtom {
	case atom.A:
		w.href = attr(t, "href")
		w.hrefText.Reset()
	case atom.Li:
		if w.hidden == 0 {
			w.text("- ")
			w.space = true
		}
	case atom.Pre:
		w.pre++
	}
	if len(w.stack) >= maxTags {
		w.over++
		return
	}
	w.stack = append(w.stack, e)
	if e.hidden {
		w.hidden++
	}
	if e.quote != notQuoted {
		w.newline()
		w.gap = true
	}
}

// block breaks the line before and after block elements.
func (w *htmlWriter) block(a atom.Atom, tight bool) {
	switch a {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Pre, atom.Blockquote, atom.Dl:
		w.newline()
		w.gap = w.gap || !tight
	case atom.Div, atom.Tr, atom.Table, atom.Li, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Center, atom.Dt, atom.Dd,
		atom.Form, atom.Fieldset, atom.Address, atom.Body, atom.Html, atom.Tbody, atom.Main, atom.Caption:
		w.newline()
	case atom.Td, atom.Th:
		w.space = true
	}
}

func (w *htmlWriter) end(name string) {
	if w.skip != "" {
		if name == w.skip {
			w.skipN--
			if w.skipN <= 0 {
				w.skip = ""
			}
		}
		return
	}
	a := atom.Lookup([]byte(name))
	if a == atom.Br || a == atom.P && !w.inStack("p") {
		w.brk()
		return
	}
	if a == atom.A && w.href != "" {
		w.link()
	}
	if a == atom.Pre && w.pre > 0 {
		w.newline()
		w.pre--
	}
	// A MsoNormal paragraph keeps its blank lines by empty paragraphs.
	w.block(a, true)
	if w.over > 0 {
		w.over--
		return
	}
	for i := len(w.stack) - 1; i >= 0; i-- {
		if w.stack[i].name == name {
			w.pop(i)
			return
		}
	}
}

func (w *htmlWriter) inStack(name string) bool {
	if w.over > 0 {
		return true
	}
	for i := len(w.stack) - 1; i >= 0; i-- {
		if w.stack[i].name == name {
			return true
		}
	}
	return false
}

// pop closes element i and those inside it.
func (w *htmlWriter) pop(i int) {
	for j := len(w.stack) - 1; j >= i; j-- {
		e := w.stack[j]
		if e.hidden {
			w.hidden--
		}
		if e.quote != notQuoted {
			w.newline()
			w.gap = true
		}
		if e.quote == blockQuote {
			// Behind the quote of a container stands what the sender answers below.
			for k := j - 1; k >= 0; k-- {
				if w.stack[k].quote == blockQuote {
					break
				}
				if w.stack[k].quote == quoteHolder {
					w.stack[k].quote = freed
				}
			}
		}
	}
	w.stack = w.stack[:i]
}

// link shows where a link leads, unless its text says so.
func (w *htmlWriter) link() {
	href := strings.TrimSpace(w.href)
	text := strings.TrimSpace(w.hrefText.String())
	w.href = ""
	if w.hidden > 0 || text == "" || len(href) > maxHref || strings.ContainsAny(href, " \n\t<>") {
		return
	}
	shown := strings.TrimSuffix(href, "/")
	lower := strings.ToLower(shown)
	switch {
	case strings.HasPrefix(lower, "mailto:"):
		shown = shown[len("mailto:"):]
		shown, _, _ = strings.Cut(shown, "?")
	case strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"):
	default:
		return
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(shown), "https://"), "http://")
	if strings.Contains(strings.ToLower(text), bare) {
		return
	}
	for _, r := range " <" + shown + ">" {
		w.put(r)
	}
}

func (w *htmlWriter) finish() string {
	if w.href != "" {
		w.link()
	}
	w.newline()
	return strings.Trim(clean(strings.Join(w.lines, "\n")), "\n")
}

func attr(t html.Token, key string) string {
	for _, a := range t.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasClass(class, want string) bool {
	if !strings.Contains(class, want) {
		return false
	}
	for c := range strings.FieldsSeq(class) {
		if c == want {
			return true
		}
	}
	return false
}

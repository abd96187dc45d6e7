package mime

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"
)

const (
	frontBuffer = 32 << 10 // one read of the source, and the longest look ahead
	frontChunk  = 16 << 10 // how much mended output is made at a time
	preambleMax = 64 << 10 // of text before the first boundary kept for a multipart without parts
)

// front is the lenient reader before go-message. It passes body bytes as they
// are, mends header blocks, writes each boundary line in one form, supplies the
// boundaries that are missing, and stops at the limits. It belongs to the
// goroutine that reads it.
type front struct {
	src    *bufio.Reader
	limits Limits
	notes  *notes

	buffers *buffers

	out     []byte // mended bytes not yet read
	outOff  int
	started bool
	done    bool

	inHeader  bool
	topHeader bool
	stack     []level
	eol       []byte // end of the last body line, held back: it belongs to a boundary that may follow
	midLine   bool   // the last body chunk ended inside a line

	parts    int
	known    bool  // a well-known field was seen in the top header
	total    int64 // bytes read of the source
	refusals int
	preamble []byte // text before the first boundary of the top multipart
	bareCR   bool
	readErr  error
}

type level struct {
	boundary string
	open     bool // its first boundary was seen
	closed   bool // its closing boundary was seen: only an epilogue follows
}

// buffers are what a front needs for the time of one mail.
type buffers struct {
	src *bufio.Reader
	out []byte
}

// bufferPool saves most of what parsing a small mail allocates.
var bufferPool = sync.Pool{New: func() any { return &buffers{src: bufio.NewReaderSize(nil, frontBuffer)} }}

// newFront returns a front, to be released when the mail is read.
func newFront(r io.Reader, l Limits, n *notes) *front {
	f := &front{limits: l, notes: n, inHeader: true, topHeader: true, buffers: bufferPool.Get().(*buffers)}
	f.src, f.out = f.buffers.src, f.buffers.out[:0]
	f.src.Reset(&counter{r: r, f: f})
	return f
}

// release gives the buffers back. The front must not be used any more.
func (f *front) release() {
	b := f.buffers
	if b == nil {
		return
	}
	if b.src.Reset(nil); cap(f.out) <= 4*frontChunk {
		b.out = f.out
	}
	f.src, f.out, f.buffers = nil, nil, nil
	bufferPool.Put(b)
}

// counter counts the source's bytes, remembers its error, and turns bare CR
// into LF in files that know no other line end.
type counter struct {
	r io.Reader
	f *front
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.f.total += int64(n)
	if err != nil && err != io.EOF {
		c.f.readErr = err
		err = io.EOF
	}
	if c.f.bareCR {
		for i, b := range p[:n] {
			if b == '\r' {
				p[i] = '\n'
			}
		}
	}
	return n, err
}

// drain reads the source to its end.
func (f *front) drain() {
	f.done = true
	f.out, f.outOff = f.out[:0], 0
	_, _ = io.Copy(io.Discard, f.src)
}

func (f *front) Read(p []byte) (int, error) {
	if f.outOff == len(f.out) {
		f.out, f.outOff = f.out[:0], 0
		for len(f.out) < frontChunk && !f.done {
			f.step()
		}
		if len(f.out) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, f.out[f.outOff:])
	f.outOff += n
	return n, nil
}

func (f *front) step() {
	if !f.started {
		f.started = true
		f.begin()
	}
	if f.inHeader {
		f.headerBlock()
		return
	}
	f.bodyLine()
}

// begin looks at the first bytes: a byte order mark, a file whose lines end in
// CR alone, the mbox line and blank lines before the header.
func (f *front) begin() {
	head, _ := f.src.Peek(4096)
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		f.notes.warn("byte-order-mark", "the mail starts with a byte order mark", false)
		_, _ = f.src.Discard(3)
		head, _ = f.src.Peek(4096)
	}
	if bytes.IndexByte(head, '\n') < 0 && bytes.Count(head, []byte{'\r'}) > 1 {
		f.notes.warn("bare-cr", "lines end in CR without LF", false)
		f.bareCR = true
		// What is buffered already is mended in place; the counter does the rest.
		all, _ := f.src.Peek(f.src.Buffered())
		for i, b := range all {
			if b == '\r' {
				all[i] = '\n'
			}
		}
		head, _ = f.src.Peek(4096)
	}
	skip := 0
	for skip < len(head) && (head[skip] == '\r' || head[skip] == '\n') {
		skip++
	}
	if skip > 0 && (fieldLine(head[skip:]) || mboxLine(head[skip:])) {
		f.notes.warn("blank-line", "blank lines before the header", false)
		_, _ = f.src.Discard(skip)
		head = head[skip:]
	}
	if mboxLine(head) {
		f.notes.warn("mbox-from", "a line \"From \" of an mbox file before the header", false)
		for {
			_, err := f.src.ReadSlice('\n')
			if err != bufio.ErrBufferFull {
				break
			}
		}
	}
}

func mboxLine(b []byte) bool {
	return bytes.HasPrefix(b, []byte("From ")) || bytes.HasPrefix(b, []byte(">From "))
}

// fieldName returns the length of the field name at the start of b, 0 if b
// does not start with a name and a colon. RFC 5322 section 2.2 allows more
// characters in names than anybody uses; those would make prose a header.
func fieldName(b []byte) int {
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			if i > 100 {
				return 0
			}
		case c == ':':
			return i
		case c == ' ' || c == '\t': // obs-optional: blanks before the colon
			rest := bytes.TrimLeft(b[i:], " \t")
			if i > 0 && len(rest) > 0 && rest[0] == ':' {
				return i
			}
			return 0
		default:
			return 0
		}
	}
	return 0
}

func fieldLine(b []byte) bool { return fieldName(b) > 0 }

// wellKnown are fields of which every mail has at least one.
var wellKnown = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "subject": true, "date": true, "sender": true,
	"reply-to": true, "message-id": true, "in-reply-to": true, "references": true, "received": true,
	"return-path": true, "mime-version": true, "content-type": true, "delivered-to": true,
	"dkim-signature": true, "x-mailer": true, "envelope-to": true, "authentication-results": true,
	"content-transfer-encoding": true, "user-agent": true, "auto-submitted": true, "list-id": true,
	"resent-from": true, "arc-seal": true, "received-spf": true, "x-original-to": true,
}

// headerBlock reads one header block, writes it mended and ends with a blank
// line, whatever the source did.
func (f *front) headerBlock() {
	top := f.topHeader
	f.inHeader, f.topHeader = false, false
	start := len(f.out)
	var used int64
	fields, over := 0, false
	dropFolds := false
	var contentType []byte
	inContentType := false
	endsInside := false

loop:
	for {
		line, long, err := f.headerLine()
		if len(line) == 0 && err != nil {
			break // the source ended behind a whole line
		}
		used += int64(len(line))
		body := bytes.TrimRight(line, "\r\n")
		if len(body) == 0 {
			break
		}
		if used > f.limits.HeaderBytes || long {
			if !over {
				f.notes.warn("header-too-large", "a header block is larger than "+strconv.FormatInt(f.limits.HeaderBytes, 10)+" bytes", true)
				f.notes.hold("header-too-large: a header block is larger than the limit")
			}
			over = true
			dropFolds = true
			if err != nil {
				break
			}
			continue
		}
		if err != nil {
			endsInside = true
		}
		switch {
		case body[0] == ' ' || body[0] == '\t':
			if len(bytes.TrimSpace(body)) == 0 || dropFolds {
				break
			}
			if fields == 0 {
				f.notes.warn("header-line", "the first header line is indented", true)
				break
			}
			f.emitHeader(body)
			if inContentType {
				contentType = append(append(contentType, ' '), bytes.TrimSpace(body)...)
			}
		case len(f.stack) > 0 && f.match(body) >= 0:
			// A part that ends inside its header: no blank line, no body.
			f.notes.warn("missing-blank-line", "a part ends in its header", false)
			f.out = append(f.out, '\n')
			f.push(contentType, top)
			f.boundary(f.match(body), body)
			return
		case fieldLine(body):
			k := fieldName(body)
			name := strings.ToLower(string(body[:k]))
			if top && wellKnown[name] {
				f.known = true
			}
			dropFolds = false
			fields++
			inContentType = name == "content-type" && contentType == nil
			if inContentType {
				contentType = append([]byte{}, body[bytes.IndexByte(body, ':')+1:]...)
			}
			f.emitHeader(body)
		default:
			// Looking ahead may move the buffer under the line.
			line = append([]byte(nil), line...)
			body = bytes.TrimRight(line, "\r\n")
			if err != nil && top && fields > 0 && !bytes.ContainsAny(body, " \t") {
				endsInside = true // the start of a field's name
				break
			}
			if f.headerGoesOn(err) {
				f.notes.warn("header-line", "header line without a colon dropped: "+string(clipBytes(body, 80)), true)
				dropFolds = true
				break
			}
			// The line is the body's first: the blank line is missing.
			if fields > 0 {
				f.notes.warn("missing-blank-line", "no blank line between header and body", false)
			}
			f.out = append(f.out, '\n')
			f.push(contentType, top)
			f.passBody(line)
			return
		}
		if err != nil {
			break loop
		}
	}
	if endsInside && top && fields > 0 {
		f.notes.warn("truncated", "the mail ends inside its header", true)
		f.notes.hold("truncated: the mail ends inside its header")
	}
	if len(f.out) == start && fields == 0 && top && f.total == 0 {
		return
	}
	f.out = append(f.out, '\n')
	f.push(contentType, top)
}

// headerLine reads a line of at most the header limit; long tells that it was
// longer and has been cut. The error is io.EOF where no line end came.
func (f *front) headerLine() (line []byte, long bool, err error) {
	line, err = f.src.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, false, err
	}
	line = append([]byte(nil), line...)
	for err == bufio.ErrBufferFull {
		var more []byte
		more, err = f.src.ReadSlice('\n')
		if int64(len(line)+len(more)) <= f.limits.HeaderBytes {
			line = append(line, more...)
		} else {
			long = true
		}
	}
	return line, long, err
}

// headerGoesOn tells, after a line that is no field, whether the next lines
// are fields, so that the line was only a broken one among them.
func (f *front) headerGoesOn(err error) bool {
	if err != nil {
		return false
	}
	next, _ := f.src.Peek(2048)
	for range 8 {
		i := bytes.IndexByte(next, '\n')
		if i < 0 {
			return fieldLine(next) && headerish(next)
		}
		line := bytes.TrimRight(next[:i], "\r")
		if len(line) == 0 {
			return false
		}
		if fieldLine(line) {
			return headerish(line)
		}
		if line[0] != ' ' && line[0] != '\t' {
			return false
		}
		next = next[i+1:]
	}
	return false
}

// headerish tells a field from prose such as "Nota: el lector falla": it is
// a well-known field or has a hyphen in its name.
func headerish(b []byte) bool {
	name := strings.ToLower(string(b[:fieldName(b)]))
	return wellKnown[name] || strings.Contains(name, "-")
}

// emitHeader writes one line of a header. A CR inside of it would be a line
// end to some readers and none to others, so it becomes a blank; NUL likewise.
func (f *front) emitHeader(line []byte) {
	at := len(f.out)
	f.out = append(f.out, line...)
	for i := at; i < len(f.out); i++ {
		if c := f.out[i]; c == '\r' || c == 0 {
			f.out[i] = ' '
			f.notes.warn("bare-cr", "a CR or NUL inside a header line", false)
		}
	}
	f.out = append(f.out, '\n')
}

// push opens a level for a multipart whose header has just been read.
func (f *front) push(contentType []byte, top bool) {
	f.eol = f.eol[:0]
	f.midLine = false
	mt := parseMediaType(string(contentType))
	if !strings.HasPrefix(mt.name, "multipart/") {
		return
	}
	b := mt.boundary()
	if b == "" {
		return
	}
	if len(f.stack) >= f.limits.Depth {
		f.notes.warn("nested-too-deep", "multiparts nested deeper than "+strconv.Itoa(f.limits.Depth)+" levels", true)
		f.notes.hold("nested-too-deep: parts are nested deeper than the limit")
		return
	}
	f.stack = append(f.stack, level{boundary: b})
	if top {
		f.preamble = []byte{}
	}
}

// match returns the level whose boundary the line is, innermost first, or -1.
func (f *front) match(line []byte) int {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1
	}
	rest := bytes.TrimRight(line[2:], " \t\r\n")
	for i := len(f.stack) - 1; i >= 0; i-- {
		b := f.stack[i].boundary
		if len(rest) == len(b) && string(rest) == b {
			return i
		}
		if len(rest) == len(b)+2 && string(rest[:len(b)]) == b && string(rest[len(b):]) == "--" {
			return i
		}
	}
	return -1
}

// boundary writes the boundary line of level i, after closing those inside it
// that were never closed.
func (f *front) boundary(i int, line []byte) {
	for j := len(f.stack) - 1; j > i; j-- {
		if !f.stack[j].closed {
			f.notes.warn("missing-boundary", "a part inside a part has no closing boundary", false)
			f.emitBoundary(f.stack[j], true)
		}
	}
	f.stack = f.stack[:i+1]
	l := &f.stack[i]
	rest := bytes.TrimRight(line[2:], " \t\r\n")
	closing := len(rest) == len(l.boundary)+2
	if l.closed {
		if closing {
			return
		}
		// More parts behind the closing boundary: go-message would not see them.
		f.notes.warn("parts-after-end", "a part after the closing boundary was not read", true)
		f.refusals++
		return
	}
	f.eol = f.eol[:0]
	f.midLine = false
	if closing {
		l.closed = true
		f.emitBoundary(*l, true)
		return
	}
	f.parts++
	if f.parts > f.limits.Parts {
		f.notes.warn("too-many-parts", "more than "+strconv.Itoa(f.limits.Parts)+" parts", true)
		f.notes.hold("too-many-parts: the mail has more parts than the limit")
		f.closeAll()
		f.drainSource()
		return
	}
	l.open = true
	f.emitBoundary(*l, false)
	f.inHeader = true
}

// emitBoundary writes a boundary line with LF ends: go-message takes the form
// of the first one for all, while real mail mixes them. Before the first one it
// expects CRLF.
func (f *front) emitBoundary(l level, closing bool) {
	f.out = append(f.out, "\n--"...)
	f.out = append(f.out, l.boundary...)
	if closing {
		f.out = append(f.out, "--"...)
		if !l.open {
			f.out = append(f.out, '\r')
		}
	}
	f.out = append(f.out, '\n')
}

func (f *front) closeAll() {
	for j := len(f.stack) - 1; j >= 0; j-- {
		if !f.stack[j].closed {
			f.emitBoundary(f.stack[j], true)
			f.stack[j].closed = true
		}
	}
}

func (f *front) drainSource() {
	f.done = true
	_, _ = io.Copy(io.Discard, f.src)
}

// buffered returns what r holds, read once if that is nothing. It is good until
// r is used again.
func buffered(r *bufio.Reader) []byte {
	if r.Buffered() == 0 {
		_, _ = r.Peek(1)
	}
	b, _ := r.Peek(r.Buffered())
	return b
}

// plainLines passes on the buffered body up to the last line that may be a
// boundary or is not whole, in one piece, and tells whether it did. In base64 no
// line begins with hyphens, so that this is nearly all of a large mail.
func (f *front) plainLines() bool {
	if f.midLine || len(f.stack) > 0 && !f.stack[0].open {
		return false
	}
	b := buffered(f.src)
	if bytes.HasPrefix(b, dashes[1:]) {
		return false
	}
	if i := bytes.Index(b, dashes); i >= 0 {
		b = b[:i+1]
	} else {
		b = b[:bytes.LastIndexByte(b, '\n')+1]
	}
	if len(b) == 0 {
		return false
	}
	f.passBody(b)
	_, _ = f.src.Discard(len(b))
	return true
}

// dashes begin a boundary, behind the end of the line before.
var dashes = []byte("\n--")

func (f *front) bodyLine() {
	if f.plainLines() {
		return
	}
	line, err := f.src.ReadSlice('\n')
	if len(line) > 0 {
		if !f.midLine && len(f.stack) > 0 && (err == nil || err == io.EOF) {
			if i := f.match(line); i >= 0 {
				f.boundary(i, line)
				if err == io.EOF && !f.done {
					f.end()
				}
				return
			}
		}
		f.passBody(line)
	}
	if err == io.EOF {
		f.end()
	}
}

// passBody writes lines or a piece of one, the last line end held back.
func (f *front) passBody(line []byte) {
	if len(f.stack) == 0 {
		f.out = append(f.out, line...)
		return
	}
	f.out = append(f.out, f.eol...)
	end := len(line)
	if end > 0 && line[end-1] == '\n' {
		end--
		if end > 0 && line[end-1] == '\r' {
			end--
		}
	}
	f.out = append(f.out, line[:end]...)
	f.eol = append(f.eol[:0], line[end:]...)
	f.midLine = end == len(line)
	if len(f.stack) == 1 && !f.stack[0].open && len(f.preamble) < preambleMax {
		f.preamble = append(f.preamble, line...)
	}
}

// end is called once the source has ended.
func (f *front) end() {
	f.done = true
	if len(f.stack) == 0 {
		return
	}
	if !f.stack[0].closed {
		f.notes.warn("truncated", "the closing boundary of the mail is missing", true)
		f.notes.hold("truncated: the closing boundary of the mail never comes")
	} else {
		for _, l := range f.stack[1:] {
			if !l.closed {
				f.notes.warn("missing-boundary", "a part inside a part has no closing boundary", false)
			}
		}
	}
	if f.stack[0].open {
		f.preamble = nil
	}
	f.closeAll()
}

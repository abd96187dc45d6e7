package mime

import (
	"crypto/sha256"
	"hash"
	"io"
	"strings"
	"unicode/utf8"

	"radicado/ticket"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// walker goes through the parts of one mail. One goroutine owns it.
type walker struct {
	limits      Limits
	notes       *notes
	front       *front
	attachments []ticket.Attachment
	report      report
	refused     string // why go-message could not go on; "" if it could
	textUsed    int64
	htmlUsed    int64
	buf         []byte
}

// segment is what a part and those inside it say to a reader.
type segment struct {
	plain string
	html  string
}

func (s segment) empty() bool { return blank(s.plain) && blank(s.html) }

// text returns the plain text, made from the HTML where there is no other.
func (s segment) text() string {
	if !blank(s.plain) || s.html == "" {
		return strings.Trim(s.plain, "\n")
	}
	return htmlText(s.html)
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// join puts parts that follow each other together.
func join(parts []segment) segment {
	var all segment
	plain := false
	for _, p := range parts {
		plain = plain || !blank(p.plain)
	}
	var text, html []string
	for _, p := range parts {
		if p.html != "" {
			html = append(html, p.html)
		}
		if plain && !p.empty() {
			text = append(text, p.text())
		}
	}
	all.plain = strings.Join(text, "\n")
	all.html = strings.Join(html, "\n")
	return all
}

// choose takes the first plain text and the last, richest HTML of an
// alternative (RFC 2046 section 5.1.4).
func choose(parts []segment) segment {
	var all segment
	for _, p := range parts {
		if blank(all.plain) {
			all.plain = p.plain
		}
		if p.html != "" {
			all.html = p.html
		}
	}
	return all
}

// entity reads a part and all inside it. depth counts the multiparts around it.
func (w *walker) entity(h header, body io.Reader, depth int) segment {
	return w.typed(h, contentType(h, "text/plain"), body, depth)
}

// contentType reads the Content-Type; one without a slash is as good as none
// (RFC 2045 section 5.2).
func contentType(h header, def string) mediaType {
	v := h.Get("Content-Type")
	mt := parseMediaType(v)
	if !strings.Contains(mt.name, "/") {
		if v != "" && mt.name != "text" {
			h.notes.warn("content-type", "unreadable content type "+v, false)
		}
		mt.name = def
	}
	return mt
}

func (w *walker) typed(h header, mt mediaType, body io.Reader, depth int) segment {
	if !strings.HasPrefix(mt.name, "multipart/") {
		return w.leaf(h, mt, body, depth)
	}
	boundary := mt.boundary()
	if boundary == "" {
		w.notes.warn("multipart-without-boundary", "a multipart without a boundary is read as text", false)
		mt.name = "text/plain"
		return w.leaf(h, mt, body, depth)
	}
	if depth >= w.limits.Depth { // the front has said so
		return segment{}
	}
	if mt.name == "multipart/report" && depth == 0 {
		w.report.kind = strings.ToLower(mt.params["report-type"])
		w.report.multipart = true
	}
	var parts []segment
	mr := textproto.NewMultipartReader(body, boundary)
	for {
		part, err := mr.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			w.refuse(err)
			break
		}
		ph := header{&message.Header{Header: part.Header}, w.notes}
		def := "text/plain"
		if mt.name == "multipart/digest" { // RFC 2046 section 5.1.5
			def = "message/rfc822"
		}
		parts = append(parts, w.typed(ph, contentType(ph, def), part, depth+1))
	}
	if mt.name == "multipart/alternative" {
		return choose(parts)
	}
	return join(parts)
}

func (w *walker) refuse(err error) {
	if w.refused == "" {
		w.refused = err.Error()
		w.notes.warn("structure", w.refused, true)
	}
}

// leaf reads a part without parts.
func (w *walker) leaf(h header, mt mediaType, body io.Reader, depth int) segment {
	disposition := parseMediaType(h.Get("Content-Disposition"))
	filename := disposition.text("filename")
	if filename == "" {
		filename = mt.text("name")
	}
	decoded, d, unknown := transferDecoder(strings.TrimSpace(h.Get("Content-Transfer-Encoding")), body)
	if unknown {
		w.notes.warn("unknown-encoding", "unknown transfer encoding "+h.Get("Content-Transfer-Encoding"), true)
	}

	var seg segment
	text := mt.name == "text/plain" || mt.name == "text/html"
	switch {
	case text && disposition.name != "attachment" && (filename == "" || depth == 0):
		if mt.name == "text/html" {
			seg.html = w.read(decoded, mt, &w.htmlUsed, w.limits.HTMLBytes)
		} else {
			seg.plain = w.read(decoded, mt, &w.textUsed, w.limits.TextBytes)
			if strings.EqualFold(mt.params["format"], "flowed") {
				seg.plain = unflow(seg.plain, strings.EqualFold(mt.params["delsp"], "yes"))
			}
		}
	default:
		w.attach(h, mt, disposition, filename, decoded)
	}
	w.judge(d, depth)
	return seg
}

// judge says what the transfer decoding met.
func (w *walker) judge(d *decoder, depth int) {
	if d == nil {
		return
	}
	if d.illegal {
		if d.quoted {
			w.notes.warn("quoted-printable", "a part holds illegal quoted-printable, kept as it is", false)
		} else {
			w.notes.warn("base64", "a part holds characters that are not base64", true)
		}
	}
	// The line end behind a soft line break may belong to the boundary.
	softEnd := d.quoted && depth > 0 && len(d.pendingQ) == 1
	if d.cut && !softEnd {
		w.notes.warn("truncated", "a part ends in the middle of its encoding", true)
		w.notes.hold("truncated: a part ends in the middle of its encoding")
	}
}

// read reads a text part, at most what is left of its limit.
func (w *walker) read(r io.Reader, mt mediaType, used *int64, limit int64) string {
	left := limit - *used
	b, _ := io.ReadAll(io.LimitReader(r, left+1))
	if int64(len(b)) > left {
		b = b[:left]
		w.notes.warn("text-too-large", "text beyond the limit was not kept", true)
		for i := 1; i < utf8.UTFMax && i < len(b); i++ { // a character cut by us is no defect of the mail
			if c := b[len(b)-i]; utf8.RuneStart(c) {
				if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-i:]) {
					b = b[:len(b)-i]
				}
				break
			}
		}
	}
	*used += int64(len(b))
	if binary(b, mt.params["charset"]) {
		w.notes.warn("binary", "a text part holds binary data and is left out", true)
		return ""
	}
	return decodeText(b, mt.params["charset"], w.notes)
}

// binary reports whether b is no text: too many control characters for any
// charset but UTF-16, which is full of NULs.
func binary(b []byte, charset string) bool {
	if strings.Contains(strings.ToLower(charset), "utf-16") || strings.Contains(strings.ToLower(charset), "utf-32") {
		return false
	}
	head := clipBytes(b, 4096)
	odd := 0
	for _, c := range head {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b {
			odd++
		}
	}
	return odd > 4+len(head)/20
}

func (w *walker) attach(h header, mt, disposition mediaType, filename string, r io.Reader) {
	var sum hash.Hash = sha256.New()
	var out io.Writer = sum
	var keep *head
	if dst := w.report.slot(mt.name); dst != nil {
		keep = &head{max: w.limits.ReportBytes}
		defer func() { *dst = keep.b }()
		out = io.MultiWriter(sum, keep)
	}
	if mt.name == "text/calendar" && strings.EqualFold(mt.params["method"], "reply") {
		w.report.calendarReply = true
	}
	if w.buf == nil {
		w.buf = make([]byte, 32<<10)
	}
	// The front never fails and a decoder passes on its errors, which the
	// multipart reader meets again: what was read counts.
	size, _ := io.CopyBuffer(out, struct{ io.Reader }{r}, w.buf)
	a := ticket.Attachment{
		Filename:    clip(filename, 1000),
		ContentType: mt.name,
		ContentID:   messageID(h.Get("Content-Id")),
		Inline:      disposition.name == "inline",
		Size:        size,
	}
	if a.ContentID != "" && disposition.name != "attachment" {
		a.Inline = true
	}
	sum.Sum(a.SHA256[:0])
	w.attachments = append(w.attachments, a)
}

// head keeps the first bytes written to it.
type head struct {
	b   []byte
	max int64
}

func (k *head) Write(p []byte) (int, error) {
	if room := k.max - int64(len(k.b)); room > 0 {
		k.b = append(k.b, p[:min(int64(len(p)), room)]...)
	}
	return len(p), nil
}

// unflow joins the lines of format=flowed (RFC 3676): a line that ends in a
// blank goes on in the next one of the same quote depth.
func unflow(s string, delsp bool) string {
	var sb strings.Builder
	sb.Grow(len(s))
	open, openDepth, first := false, 0, true
	for line := range strings.SplitSeq(s, "\n") {
		depth := 0
		for depth < len(line) && line[depth] == '>' {
			depth++
		}
		text := strings.TrimPrefix(line[depth:], " ")
		if !open || depth != openDepth || text == "-- " {
			if !first {
				sb.WriteByte('\n')
			}
			if depth > 0 {
				sb.WriteString(line[:depth] + " ")
			}
		}
		first = false
		open, openDepth = strings.HasSuffix(text, " ") && text != "-- ", depth
		if open && delsp {
			text = text[:len(text)-1]
		}
		sb.WriteString(text)
	}
	return sb.String()
}

package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"radicado/ingest/mime"
	"radicado/store"
	"radicado/ticket"
)

// Staged is a mail that was read to its end, parsed and classified, but is not
// yet filed.
type Staged struct {
	m              Mail
	mail           *ticket.Mail
	body           ticket.Body
	digest         ticket.Digest
	content        ticket.Digest
	size           int64
	receivedAt     time.Time
	blob           *store.Blob
	attached       bool // set inside the transaction
	classification ticket.Classification
}

// memory estimates what the staged mail holds until it is committed.
func (s *Staged) memory() int64 {
	return int64(len(s.body.Text)+len(s.body.HTML)+len(s.body.NewText)) + min(s.size, 256<<10) + 4<<10
}

// Stage reads a mail to its end: the original streams into the store, its
// digests and its parts are computed on the way. It may run for several mails
// at once. It fails only if the body cannot be read whole or the store cannot
// take it; any bytes, garbage included, can be staged.
func (p *Pipeline) Stage(ctx context.Context, m Mail) (*Staged, error) {
	if m.Origin.FromServer() || m.TooLarge {
		return p.stage(ctx, m)
	}
	l := &limited{r: m.Body, left: p.o.MaxMail}
	m.Body = l
	s, err := p.stage(ctx, m)
	if err == nil || !errors.Is(err, errTooLarge) {
		return s, err
	}
	return p.stageRefused(ctx, m, l)
}

func (p *Pipeline) stage(ctx context.Context, m Mail) (*Staged, error) {
	s := &Staged{m: m}
	d := newDigester()
	w := p.o.Store.NewBlob(ctx)
	src := &original{r: m.Body, blob: w, digests: d}

	finish := func() (*store.Blob, error) {
		if s.blob != nil {
			return s.blob, nil
		}
		// A parser that gave up early must not cost the rest of the original.
		if _, err := io.Copy(io.Discard, src); err != nil {
			return nil, err
		}
		if err := src.settle(); err != nil {
			return nil, err
		}
		s.digest, s.size = d.original(), src.n
		var err error
		s.blob, err = w.Finish(s.digest)
		return s.blob, err
	}
	abort := func(err error) (*Staged, error) {
		_ = src.settle() // its error, if any, is the reason or follows from it
		if s.blob != nil {
			return nil, errors.Join(err, s.blob.Discard())
		}
		return nil, errors.Join(err, w.Abort())
	}

	o := p.o.Mime
	o.Reopen = func() (io.ReadCloser, error) {
		b, err := finish()
		if err != nil {
			return nil, err
		}
		return b.Open()
	}
	mail, err := parse(src, o)
	if src.err != nil {
		err = src.err
	}
	if err != nil {
		return abort(fmt.Errorf("read %s: %w", m.Origin, err))
	}
	if _, err := finish(); err != nil {
		return abort(fmt.Errorf("keep %s: %w", m.Origin, err))
	}
	if m.Size > 0 && s.size < m.Size {
		return abort(fmt.Errorf("read %s: %d of %d bytes: %w", m.Origin, s.size, m.Size, io.ErrUnexpectedEOF))
	}
	s.mail = mail
	s.content = d.content(mail)
	var doubt string
	if s.receivedAt, doubt = ReceivedAt(m.ReceivedAt, mail, p.o.Now()); doubt != "" {
		mail.Warnings = append(mail.Warnings, ticket.Warning{Code: "received-date", Detail: doubt})
	}
	s.classification = p.classify(mail, m.Origin.Mailbox)
	s.body = ticket.Body{Text: mail.Text, HTML: mail.HTML, NewText: mail.NewText}
	return s, nil
}

// parse calls the parser and turns a panic into a quarantined mail: one mail
// must never stop those behind it.
func parse(r io.Reader, o mime.Options) (m *ticket.Mail, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = broken(fmt.Sprintf("parser-failed: %v", v)), nil
			m.Warnings = append(m.Warnings, ticket.Warning{Code: "parser-failed", Detail: firstFrames(), Lost: true})
		}
	}()
	return mime.Parse(r, o)
}

// classify calls the classifier; a panic leaves the decision to a lead.
func (p *Pipeline) classify(m *ticket.Mail, mailbox string) (c ticket.Classification) {
	defer func() {
		if v := recover(); v != nil {
			c = ticket.Classification{Type: ticket.Requerimiento, Priority: ticket.Media, Review: true,
				Term:    ticket.DefaultTerm(ticket.Requerimiento),
				Reasons: []ticket.Reason{{Source: "rule", Name: "classifier-failed", Evidence: fmt.Sprint(v)}}}
		}
	}()
	return p.o.Classifier.Classify(m, mailbox)
}

// broken is a mail of which nothing could be read.
func broken(reason string) *ticket.Mail {
	return &ticket.Mail{
		InReplyTo: []string{}, References: []string{}, ReplyTo: []ticket.Address{}, To: []ticket.Address{}, Cc: []ticket.Address{},
		Attachments: []ticket.Attachment{}, Warnings: []ticket.Warning{}, Quarantine: reason,
	}
}

// firstFrames returns where a panic came from, without the values in memory.
func firstFrames() string {
	var lines []string
	for line := range strings.Lines(string(debug.Stack())) {
		if strings.HasPrefix(line, "\t") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) > 12 {
		lines = lines[:12]
	}
	return strings.Join(lines, " < ")
}

// ReceivedAt decides when a mail was received: the server's word, else the
// topmost Received field, else Date, else now. The sender's Date is the last
// resort since it is his claim. A time that cannot be true (before 1990, or over
// a year ahead of now) is passed over. Doubt says why the answer is not the
// first choice, "" if it is.
func ReceivedAt(server time.Time, mail *ticket.Mail, now time.Time) (at time.Time, doubt string) {
	plausible := func(t time.Time) bool { return t.Year() >= 1990 && t.Before(now.AddDate(1, 0, 0)) }
	if !server.IsZero() {
		if plausible(server) {
			return server, ""
		}
		return now, "the server's date " + server.Format(time.RFC3339) + " cannot be true; now is used"
	}
	if mail.Received != nil && plausible(*mail.Received) {
		return *mail.Received, ""
	}
	if mail.Date != nil && plausible(*mail.Date) {
		return *mail.Date, "no usable Received field; the sender's Date is used"
	}
	return now, "no usable Received or Date field; now is used"
}

// original passes a body on while it goes to the blob and the digests. Of a
// large mail these are fed by a goroutine of their own, so that hashing and
// compressing go on beside the parser.
type original struct {
	r       io.Reader
	blob    *store.BlobWriter
	digests *digester
	n       int64
	err     error // of reading or keeping, other than io.EOF

	work chan []byte   // full buffers on their way to the goroutine; nil before it is started
	free chan []byte   // buffers to fill
	kept chan struct{} // closed when the goroutine has ended
	fate atomic.Pointer[error]
}

const (
	// besideFrom is the size from which a mail gets a goroutine: for small ones
	// it costs more than it brings.
	besideFrom = 128 << 10
	// besideBuffers of besideSize each are all that waits for the goroutine.
	besideBuffers = 4
	besideSize    = 64 << 10
)

// Read implements io.Reader. After an error of the store nothing more is read,
// and Stage reports it whatever the parser makes of it.
func (o *original) Read(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.r.Read(b)
	if n > 0 {
		o.n += int64(n)
		if kerr := o.keep(b[:n]); kerr != nil {
			o.err = fmt.Errorf("keep original: %w", kerr)
			return n, o.err
		}
	}
	if err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}

func (o *original) keep(b []byte) error {
	if o.n < besideFrom {
		return o.write(b)
	}
	if o.work == nil {
		o.work, o.free, o.kept = make(chan []byte, besideBuffers), make(chan []byte, besideBuffers), make(chan struct{})
		for range besideBuffers {
			o.free <- make([]byte, 0, besideSize)
		}
		go o.keepBeside()
	}
	for len(b) > 0 {
		buf := <-o.free
		if fate := o.fate.Load(); fate != nil {
			return *fate
		}
		n := min(len(b), besideSize)
		o.work <- append(buf[:0], b[:n]...)
		b = b[n:]
	}
	return nil
}

// keepBeside is the goroutine. It takes everything that is sent, also after an
// error, so that the reader never waits for it in vain.
func (o *original) keepBeside() {
	defer close(o.kept)
	for b := range o.work {
		if o.fate.Load() == nil {
			if err := o.write(b); err != nil {
				o.fate.Store(&err)
			}
		}
		o.free <- b
	}
}

func (o *original) write(b []byte) error {
	o.digests.Write(b)
	_, err := o.blob.Write(b)
	return err
}

// settle waits until everything read is kept. Nothing may be read after it.
func (o *original) settle() error {
	if o.work != nil {
		close(o.work)
		<-o.kept
		o.work = nil
		o.r = bytes.NewReader(nil)
	}
	if fate := o.fate.Load(); fate != nil {
		return fmt.Errorf("keep original: %w", *fate)
	}
	return nil
}

// digester computes both digests of an original in one pass.
type digester struct {
	canonical io.Writer
	whole     hash.Hash
	bodyPart  hash.Hash // of the body's first [bodyPrefix] bytes
	bodySize  int64
	inBody    bool
	lineStart bool // within the header, the last byte ended a line
}

// bodyPrefix is how much of a body's bytes its content digest covers; what lies
// behind is covered by the parts' own digests.
const bodyPrefix = 256 << 10

func newDigester() *digester {
	d := &digester{whole: sha256.New(), bodyPart: sha256.New(), lineStart: true}
	d.canonical = ticket.NewCanonicalWriter(splitter{d})
	return d
}

// Write implements io.Writer; hashing cannot fail.
func (d *digester) Write(b []byte) (int, error) { return d.canonical.Write(b) }

// original returns the digest of the whole mail with CRLF line ends.
func (d *digester) original() (sum ticket.Digest) {
	d.whole.Sum(sum[:0])
	return sum
}

// content returns a digest of what stays the same when one mail travels to two
// mailboxes: Message-ID, author, date, subject, the beginning and the length of
// the body, its text and all parts' digests, but no trace fields (RFC 5321 section 4.4).
// It is zero without a Message-ID, since nothing then tells two mails with one
// wording from one mail sent twice, and where neither the parser nor the
// beginning covers the whole body.
func (d *digester) content(m *ticket.Mail) (sum ticket.Digest) {
	if m.MessageID == "" {
		return sum
	}
	unread := m.Quarantine != "" || slices.ContainsFunc(m.Warnings, func(w ticket.Warning) bool { return w.Lost })
	if unread && d.bodySize > bodyPrefix {
		return sum
	}
	h := sha256.New()
	date := ""
	if m.Date != nil {
		date = m.Date.UTC().Format(time.RFC3339)
	}
	for _, field := range []string{"radicado content 1", m.MessageID, m.From.Address, date, m.Subject, strconv.FormatInt(d.bodySize, 10), m.Text, m.HTML} {
		io.WriteString(h, field)
		h.Write([]byte{0})
	}
	h.Write(d.bodyPart.Sum(nil))
	for _, a := range m.Attachments {
		h.Write(a.SHA256[:])
	}
	h.Sum(sum[:0])
	return sum
}

// splitter sends canonical bytes to the whole hash, and those behind the first
// empty line to the body's as well.
type splitter struct{ d *digester }

// Write implements io.Writer.
func (s splitter) Write(b []byte) (int, error) {
	d := s.d
	d.whole.Write(b)
	if d.inBody {
		d.writeBody(b)
		return len(b), nil
	}
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\r':
		case '\n':
			if d.lineStart {
				d.inBody = true
				d.writeBody(b[i+1:])
				return len(b), nil
			}
			d.lineStart = true
		default:
			d.lineStart = false
		}
	}
	return len(b), nil
}

func (d *digester) writeBody(b []byte) {
	if room := bodyPrefix - d.bodySize; room > 0 {
		d.bodyPart.Write(b[:min(room, int64(len(b)))])
	}
	d.bodySize += int64(len(b))
}

// tolerant ends a body where its source fails, for mails in quarantine.
type tolerant struct{ r io.Reader }

// Read implements io.Reader.
func (t *tolerant) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func readerOf(s string) io.Reader { return strings.NewReader(s) }

// headerSafe keeps a value on one header line.
func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

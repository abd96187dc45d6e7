package mime

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"radicado/ticket"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// Options are what Parse needs to know beside the bytes.
type Options struct {
	Limits Limits

	// AuthservID is the name under which our own receiving server writes
	// Authentication-Results (RFC 8601 section 2.5). Empty trusts none.
	AuthservID string

	// Reopen gives the same bytes once more from their start, for the repair of
	// a structure that the streaming walk refuses. Nil means no repair.
	Reopen func() (io.ReadCloser, error)
}

// Limits bound what one mail may cost. A zero field means its default.
type Limits struct {
	HeaderBytes int64 // of one header block, whether of the mail or of a part; default 512 KiB
	Depth       int   // levels of multiparts; default 20
	Parts       int   // parts of all levels; default 500
	TextBytes   int64 // of text kept; default 1 MiB
	HTMLBytes   int64 // of HTML kept; default 1 MiB
	RepairBytes int64 // largest mail that is given to the repair path; default 32 MiB
	ReportBytes int64 // read of each part of a delivery report; default 64 KiB
	Warnings    int   // kept; default 50
}

func (l Limits) withDefaults() Limits {
	set64 := func(p *int64, def int64) {
		if *p <= 0 {
			*p = def
		}
	}
	set := func(p *int, def int) {
		if *p <= 0 {
			*p = def
		}
	}
	set64(&l.HeaderBytes, 512<<10)
	set(&l.Depth, 20)
	set(&l.Parts, 500)
	set64(&l.TextBytes, 1<<20)
	set64(&l.HTMLBytes, 1<<20)
	set64(&l.RepairBytes, 32<<20)
	set64(&l.ReportBytes, 64<<10)
	set(&l.Warnings, 50)
	return l
}

// notes collects the warnings and the quarantine reason of one mail.
type notes struct {
	max        int
	warnings   []ticket.Warning
	quarantine string
}

// warn records a defect; one that says the same as an earlier one is dropped.
func (n *notes) warn(code, detail string, lost bool) {
	w := ticket.Warning{Code: code, Detail: cleanLine(clip(detail, 300)), Lost: lost}
	for _, have := range n.warnings {
		if have == w {
			return
		}
	}
	if len(n.warnings) < n.max {
		n.warnings = append(n.warnings, w)
	}
}

// hold asks for a person's look; the first reason stays.
func (n *notes) hold(reason string) {
	if n.quarantine == "" {
		n.quarantine = reason
	}
}

// Parse reads one mail from r, always to the end of r. Any bytes give a mail;
// the error says only that r could not be read, and the mail then holds what
// was read until there.
func Parse(r io.Reader, o Options) (*ticket.Mail, error) {
	limits := o.Limits.withDefaults()
	n := &notes{max: limits.Warnings}
	f := newFront(r, limits, n)
	defer f.release()

	br := bufio.NewReader(f)
	th, err := textproto.ReadHeader(br)
	if err != nil && err != io.EOF {
		n.warn("header", err.Error(), true)
	}
	h := header{&message.Header{Header: th}, n}

	w := &walker{limits: limits, notes: n, front: f}
	root := w.entity(h, br, 0)
	// The tee behind r wants every byte, also those after the last boundary.
	_, _ = io.Copy(io.Discard, br)
	f.drain()

	if f.total == 0 {
		n.hold("empty: no bytes")
	} else if !f.known {
		n.hold("not-a-mail: no header field could be read")
	}
	if w.refused != "" {
		if repaired, ok := w.repair(o.Reopen); ok {
			root = repaired
		} else {
			n.hold("structure: the parts of the mail could not be told apart")
		}
	}
	if root.empty() && len(f.preamble) > 0 {
		root = segment{plain: decodeText(f.preamble, "", n)}
	}

	m := &ticket.Mail{}
	h.fill(m)
	m.Text = clip(root.text(), int(limits.TextBytes))
	m.HTML = clip(root.html, int(limits.HTMLBytes))
	m.NewText = newText(m.Text, m.Subject)
	m.Attachments = w.attachments
	if m.Attachments == nil {
		m.Attachments = []ticket.Attachment{}
	}
	markInline(m)
	m.Automatic, m.Bounce = w.classify(h, m)
	m.Authentication = authentication(h, o.AuthservID)
	if m.Language = language(m.NewText); m.Language == "" {
		m.Language = language(m.Subject + "\n" + m.NewText)
	}
	m.Quarantine = n.quarantine
	m.Warnings = n.warnings
	if m.Warnings == nil {
		m.Warnings = []ticket.Warning{}
	}
	if f.readErr != nil {
		return m, fmt.Errorf("reading mail: %w", f.readErr)
	}
	return m, nil
}

// markInline sets Inline where the HTML shows the attachment, whatever its
// disposition says: several clients call every image an attachment.
func markInline(m *ticket.Mail) {
	if !strings.Contains(m.HTML, "cid:") {
		return
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if !a.Inline && a.ContentID != "" {
			a.Inline = strings.Contains(m.HTML, "cid:"+a.ContentID)
		}
	}
}

package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// keptHeader is how much of a refused mail's header is kept, in bytes.
const keptHeader = 64 << 10

// errTooLarge is a mail from a file above Options.MaxMail.
var errTooLarge = errors.New("larger than allowed")

// limited ends a body that goes on behind left bytes with errTooLarge, and
// remembers its beginning.
type limited struct {
	r    io.Reader
	left int64
	head []byte
}

// Read implements io.Reader. One byte beyond the limit is asked for, no more.
func (l *limited) Read(b []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(b)) > l.left+1 {
		b = b[:l.left+1]
	}
	n, err := l.r.Read(b)
	l.left -= int64(n)
	l.head = append(l.head, b[:min(n, keptHeader-len(l.head))]...)
	if l.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}

// header returns the header's whole lines, without the empty one behind it.
func (l *limited) header() []byte {
	end := bytes.LastIndexByte(l.head, '\n') + 1
	for _, empty := range []string{"\n\r\n", "\n\n"} {
		if i := bytes.Index(l.head, []byte(empty)); i >= 0 {
			end = min(end, i+1)
		}
	}
	return l.head[:end]
}

// stageRefused stages the header of a mail that is too large, as Quarantine
// does for mails on servers.
// A digest of the mail's beginning tells large mails under one Message-ID apart.
func (p *Pipeline) stageRefused(ctx context.Context, m Mail, l *limited) (*Staged, error) {
	reason := fmt.Sprintf("mail of more than %d bytes: larger than allowed; only its header is kept, the mail is still in its file", p.o.MaxMail)
	m.TooLarge, m.Body = true, bytes.NewReader(l.header())
	beginning := fmt.Sprintf("[radicado] SHA-256 de sus primeros %d bytes: %x\r\n", len(l.head), sha256.Sum256(l.head))
	m.Body, m.Size = io.MultiReader(fragment(m, reason), readerOf(beginning)), 0
	s, err := p.stage(ctx, m)
	if err != nil {
		return nil, err
	}
	s.mail.Quarantine = reason
	return s, nil
}

package ticket

import (
	"bytes"
	"io"
)

// CanonicalWriter passes a mail on with CRLF line ends (RFC 5322 section 2.3):
// a lone LF becomes CRLF, CRLF stays, and so does a lone CR, which Maildir and
// .eml files keep as IMAP does. What the parts were cut into does not matter.
// The digest of an original is taken over this form, see [Digest].
type CanonicalWriter struct {
	w    io.Writer
	cr   bool    // the last byte passed on was CR
	crlf [2]byte // kept here so that passing it on allocates nothing
}

// NewCanonicalWriter returns a CanonicalWriter that passes on to w. It holds
// nothing back, so there is nothing to flush.
func NewCanonicalWriter(w io.Writer) *CanonicalWriter {
	return &CanonicalWriter{w: w, crlf: [2]byte{'\r', '\n'}}
}

// Write passes p on. It returns how many bytes of p were dealt with; on error
// the writer must not be used further.
func (c *CanonicalWriter) Write(p []byte) (int, error) {
	done := 0 // bytes of p passed on
	for at := 0; at < len(p); {
		i := bytes.IndexByte(p[at:], '\n')
		if i < 0 {
			break
		}
		lf := at + i
		cr := c.cr
		if lf > 0 {
			cr = p[lf-1] == '\r'
		}
		if !cr {
			if err := c.pass(p[done:lf]); err != nil {
				return done, err
			}
			done = lf
			if err := c.pass(c.crlf[:]); err != nil {
				return done, err
			}
			done++
		}
		at = lf + 1
	}
	if err := c.pass(p[done:]); err != nil {
		return done, err
	}
	if len(p) > 0 {
		c.cr = p[len(p)-1] == '\r'
	}
	return len(p), nil
}

func (c *CanonicalWriter) pass(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := c.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

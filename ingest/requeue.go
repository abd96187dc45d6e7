package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"radicado/store"
	"radicado/ticket"
)

// Header fields of ours, above a mail that could not be taken whole.
const (
	originField     = "X-Radicado-Origin"
	quarantineField = "X-Radicado-Quarantine"
)

// Requeue reads the kept original of a quarantined ticket again with the present
// parser. If it is sound now, message and ticket follow the new reading in one
// transaction. Else, and where no whole original was kept or the ticket is in
// no quarantine, the error wraps [ticket.ErrRequeue] and says why, and nothing
// has changed. An unknown number is [store.ErrNotFound].
func (p *Pipeline) Requeue(ctx context.Context, n ticket.Number, by ticket.Actor) error {
	d, err := p.o.Store.Detail(ctx, n)
	if err != nil {
		return fmt.Errorf("requeue %s: %w", n, err)
	}
	if d.Quarantine == "" {
		return fmt.Errorf("%w: %s is not in quarantine", ticket.ErrRequeue, n)
	}
	if len(d.Thread) == 0 {
		return fmt.Errorf("requeue %s: the ticket has no message", n)
	}
	digest := d.Thread[0].Digest
	mail, content, err := p.reread(digest)
	if err != nil {
		return fmt.Errorf("requeue %s: %w", n, err)
	}
	if mail.Quarantine != "" {
		return fmt.Errorf("%w: the original of %s cannot be read even now: %s", ticket.ErrRequeue, n, mail.Quarantine)
	}
	classification := p.classify(mail, d.Mailbox)
	body := ticket.Body{Text: mail.Text, HTML: mail.HTML, NewText: mail.NewText}
	at := p.o.Now()
	err = p.o.Store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		m, err := tx.Message(digest)
		if err != nil {
			return err
		}
		if t.Quarantine == "" {
			return fmt.Errorf("%w: %s has left quarantine meanwhile", ticket.ErrRequeue, n)
		}
		was := m.Mail
		t, events := t.Requeue(&was, mail, digest, classification, by, at, p.o.Terms)
		m.Mail, m.Content = *mail, content
		// The ledger keeps what was decided then; the filing says what it is now.
		m.Filings = append([]ticket.Filing(nil), m.Filings...)
		for i := range m.Filings {
			if f := &m.Filings[i]; f.Ticket == n && f.Disposition == ticket.DispositionQuarantined {
				f.Disposition, f.Reason = ticket.DispositionNew, "was in quarantine: "+f.Reason
			}
		}
		if err := tx.PutMessage(&m, &body); err != nil {
			return err
		}
		return tx.PutTicket(&t, events...)
	})
	if err != nil {
		return fmt.Errorf("requeue %s: %w", n, err)
	}
	return nil
}

// reread parses a kept original.
func (p *Pipeline) reread(d ticket.Digest) (m *ticket.Mail, content ticket.Digest, err error) {
	blob, err := p.o.Store.OpenBlob(d)
	if err != nil {
		return nil, content, fmt.Errorf("open original: %w", err)
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	head := make([]byte, 1024)
	n, err := io.ReadFull(blob, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, content, fmt.Errorf("read original: %w", err)
	}
	head = head[:n]
	if field, ok := bytes.CutPrefix(head, []byte(originField+": ")); ok {
		origin, _, _ := bytes.Cut(field, []byte("\r\n"))
		return nil, content, fmt.Errorf("%w: the original is not here, only what could be had of it; the mail itself is at %s", ticket.ErrRequeue, origin)
	}
	digests := newDigester()
	// What was read fails again only through the store.
	src := &watched{r: io.TeeReader(io.MultiReader(bytes.NewReader(head), blob), digests)}
	o := p.o.Mime
	o.Reopen = func() (io.ReadCloser, error) { return p.o.Store.OpenBlob(d) }
	m, err = parse(src, o)
	if err == nil {
		_, err = io.Copy(io.Discard, src)
	}
	if src.err != nil {
		err = src.err
	}
	if err != nil {
		return nil, content, fmt.Errorf("read original: %w", err)
	}
	return m, digests.content(m), nil
}

// watched remembers an error that a parser may take for the end of a mail.
type watched struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

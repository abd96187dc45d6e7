package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// wholeUpTo is the size in bytes up to which a mail from a server is read whole,
// so that the next one can be read while it is parsed.
const wholeUpTo = 256 << 10

// folder names a folder of a mailbox.
type folder struct{ mailbox, name string }

// Take implements [Sink]. It returns when the body is read. What remains is done
// beside the reading of the next mails: of a small mail everything, of a large
// one the wait for its original and the classification. Mails of one folder are
// queued in the order of their Takes all the same, since each one's transaction
// asks for the cursor that the mail before it sets.
func (p *Pipeline) Take(ctx context.Context, m Mail) (Pending, error) {
	if !m.Origin.FromServer() {
		s, err := p.Stage(ctx, m)
		if err != nil {
			return nil, err
		}
		return p.Commit(ctx, s)
	}
	if err := p.ahead.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("take %s: %w", m.Origin, err)
	}
	stage, err := p.readAhead(ctx, m)
	if err != nil {
		p.ahead.Release(1)
		return nil, err
	}
	before, queued := p.standInLine(m)
	w := newPending()
	go func() {
		defer p.ahead.Release(1)
		defer close(queued)
		s, err := stage()
		<-before
		if err == nil {
			err = p.queue(ctx, s, w)
		}
		if err != nil {
			w.fail(err)
		}
	}()
	return w, nil
}

// readAhead reads the body to its end and returns what is left to do.
func (p *Pipeline) readAhead(ctx context.Context, m Mail) (stage func() (*Staged, error), err error) {
	if m.Size > 0 && m.Size <= wholeUpTo {
		whole := bytes.NewBuffer(make([]byte, 0, m.Size+bytes.MinRead))
		if _, err := whole.ReadFrom(io.LimitReader(m.Body, m.Size+1)); err != nil {
			return nil, fmt.Errorf("read %s: %w", m.Origin, err)
		}
		switch n := int64(whole.Len()); {
		case n < m.Size:
			return nil, fmt.Errorf("read %s: %d of %d bytes: %w", m.Origin, n, m.Size, io.ErrUnexpectedEOF)
		case n == m.Size:
			m.Body = whole
			return func() (*Staged, error) { return p.stage(ctx, m) }, nil
		}
		m.Body = io.MultiReader(whole, m.Body) // more than was announced, nobody knows how much
	}
	r := p.reading(ctx, m)
	return r.finish, r.read()
}

// standInLine puts a mail behind those of its folder that were taken before.
// before is closed when the one before it is queued or has failed; the caller
// closes queued when this one is.
func (p *Pipeline) standInLine(m Mail) (before <-chan struct{}, queued chan struct{}) {
	f := folder{m.Origin.Mailbox, m.Origin.Folder}
	queued = make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.lines[f]
	if !ok {
		last = make(chan struct{})
		close(last)
	}
	p.lines[f] = queued
	return last, queued
}

// Quarantine implements [Sink]. What could be had of the mail is kept below a
// header that names its origin and the reason, since the same fragment (or
// none) of two mails must not make them duplicates of each other.
func (p *Pipeline) Quarantine(ctx context.Context, m Mail, reason string) (Pending, error) {
	m.Body, m.Size = fragment(m, reason), 0
	s, err := p.Stage(ctx, m)
	if err != nil {
		return nil, err
	}
	s.mail.Quarantine = reason
	before, queued := p.standInLine(m)
	defer close(queued)
	<-before
	return p.Commit(ctx, s)
}

// pending is a mail on its way to disk.
type pending struct {
	done   chan struct{}
	result Result
	err    error
}

func newPending() *pending { return &pending{done: make(chan struct{})} }

func (w *pending) fail(err error) {
	w.err = err
	close(w.done)
}

// Wait implements [Pending].
func (w *pending) Wait(ctx context.Context) (Result, error) {
	select {
	case <-w.done:
		return w.result, w.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

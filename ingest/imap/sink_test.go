package imap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ticket"
)

// patience bounds what a test waits for; it is never waited out when all is well.
const patience = 15 * time.Second

var errOrder = errors.New("cursor is not at the mail before")

// memorySink keeps the sink's contract in memory: order, cursor, whole bodies.
type memorySink struct {
	t *testing.T

	mu      sync.Mutex
	changed chan struct{}
	cursors map[string]ticket.Cursor
	mails   []storedMail
	takes   map[ticket.UID]int

	recorded map[ticket.Origin]time.Time

	refuse, refuseQuarantine func(m ingest.Mail) error // Take, Quarantine fail with it
}

type storedMail struct {
	mail   ingest.Mail
	body   []byte
	reason string // of the quarantine, "" if taken
}

func newSink(t *testing.T) *memorySink {
	return &memorySink{t: t, changed: make(chan struct{}), cursors: make(map[string]ticket.Cursor), takes: make(map[ticket.UID]int), recorded: make(map[ticket.Origin]time.Time)}
}

func (s *memorySink) Take(ctx context.Context, m ingest.Mail) (ingest.Pending, error) {
	s.mu.Lock()
	s.takes[m.Origin.UID]++
	refuse := s.refuse
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(m); err != nil {
			return nil, err
		}
	}
	return s.keep(m, "")
}

func (s *memorySink) Quarantine(ctx context.Context, m ingest.Mail, reason string) (ingest.Pending, error) {
	if reason == "" {
		s.t.Error("quarantine without a reason")
	}
	s.mu.Lock()
	refuse := s.refuseQuarantine
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(m); err != nil {
			return nil, err
		}
	}
	return s.keep(m, reason)
}

func (s *memorySink) keep(m ingest.Mail, reason string) (ingest.Pending, error) {
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if m.Size != 0 && int64(len(body)) != m.Size {
		s.t.Errorf("uid %d: a body of %d bytes was handed over as whole, announced %d", m.Origin.UID, len(body), m.Size)
		return nil, io.ErrUnexpectedEOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := m.Origin.Mailbox + "/" + m.Origin.Folder
	c := s.cursors[key]
	if c.UIDValidity != m.Origin.UIDValidity {
		c = ticket.Cursor{UIDValidity: m.Origin.UIDValidity}
	}
	if c.Last != m.Previous || m.Origin.UID <= c.Last {
		return pending{fmt.Errorf("uid %d after %d, cursor %d: %w", m.Origin.UID, m.Previous, c.Last, errOrder)}, nil
	}
	c.Last, c.At = m.Origin.UID, time.Now()
	s.cursors[key] = c
	m.Body = nil
	s.recorded[m.Origin] = c.At
	s.mails = append(s.mails, storedMail{mail: m, body: body, reason: reason})
	close(s.changed)
	s.changed = make(chan struct{})
	return pending{}, nil
}

func (s *memorySink) Cursor(ctx context.Context, mailbox, folder string) (ticket.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[mailbox+"/"+folder], nil
}

func (s *memorySink) Recorded(ctx context.Context, o ticket.Origin) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recorded[o], nil
}

// wait returns the mails once there are n.
func (s *memorySink) wait(n int) []storedMail {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		mails, changed := append([]storedMail(nil), s.mails...), s.changed
		s.mu.Unlock()
		if len(mails) >= n {
			return mails
		}
		select {
		case <-changed:
		case <-timeout.C:
			s.t.Fatalf("%d mails came within %s, want %d", len(mails), patience, n)
		}
	}
}

type pending struct{ err error }

func (p pending) Wait(context.Context) (ingest.Result, error) { return ingest.Result{}, p.err }

// mail makes a mail whose text tells its number.
func mail(n, size int) []byte {
	b := fmt.Appendf(nil, "From: cliente%d@example.com\r\nSubject: caso %d\r\n\r\n", n, n)
	line := fmt.Appendf(nil, "linea del caso %d\r\n", n)
	for len(b) < size {
		b = append(b, line...)
	}
	return b
}

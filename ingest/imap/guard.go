package imap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// What a server may send that is not the text of a mail we asked for, between
// two commands or two mails. The library keeps such a line whole in memory, at
// four times its size.
const (
	responseBudget = 1 << 20
	// A search may list every UID of a window, each of up to 11 bytes.
	searchBudget = 16 << 20
)

// guardBuffer is how much is read at once.
const guardBuffer = 64 << 10

var (
	errStalled = errors.New("the server sends nothing")
	errTimeout = errors.New("the command was not answered in time")
	errFlood   = errors.New("the server sends more than was asked for")
	errCut     = errors.New("the connection was cut")
)

// guard is the connection as the library sees it. It bounds how long a read
// blocks while an answer is due, and how many bytes come that nobody asked for.
// It sits above TLS, so that it counts what the library must keep.
type guard struct {
	net.Conn
	br *bufio.Reader

	mu     sync.Mutex
	stall  time.Duration // 0: nothing is due, so a read may block
	budget int64
	cause  error // why the connection was closed by us, or by the server
	empty  bool  // the next SASL response is an empty one
}

func newGuard(c net.Conn) *guard {
	return &guard{Conn: c, br: bufio.NewReaderSize(c, guardBuffer), budget: responseBudget}
}

// expect opens the time of an answer, of at most budget bytes beside mails. It
// holds for a read that blocks already.
func (g *guard) expect(stall time.Duration, budget int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stall, g.budget = stall, budget
	g.Conn.SetReadDeadline(time.Now().Add(stall))
}

// rest says that no answer is due.
func (g *guard) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stall = 0
	g.Conn.SetReadDeadline(time.Time{})
}

// grant allows a mail of this size and what comes around it.
func (g *guard) grant(size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget = size + responseBudget
}

// replenish allows further small answers.
func (g *guard) replenish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget = max(g.budget, responseBudget)
}

// kill closes the connection; the first cause is kept.
func (g *guard) kill(cause error) {
	g.mu.Lock()
	if g.cause == nil {
		g.cause = cause
	}
	g.mu.Unlock()
	g.Conn.Close()
}

// why returns why the connection is dead; nil if it may be alive.
func (g *guard) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// Read reads what the server sends, under the stall limit and the budget.
func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	if g.cause != nil {
		defer g.mu.Unlock()
		return 0, g.cause
	}
	if g.budget <= 0 {
		g.mu.Unlock()
		g.kill(errFlood)
		return 0, errFlood
	}
	if g.stall > 0 && g.br.Buffered() == 0 {
		g.Conn.SetReadDeadline(time.Now().Add(g.stall))
	}
	p = p[:min(int64(len(p)), g.budget)]
	g.mu.Unlock()

	n, err := g.br.Read(p)

	g.mu.Lock()
	g.budget -= int64(n)
	g.mu.Unlock()
	if err != nil {
		// io.EOF must not reach the library: it would take it for the end of the
		// literal that it is in.
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = errStalled
		case errors.Is(err, io.EOF):
			err = errCut
		default:
			err = fmt.Errorf("%w: %w", errCut, err)
		}
		g.kill(err)
		err = g.why()
	}
	return n, err
}

// emptyLine says that the next write is an empty SASL response. The library
// writes "=", which means that in an initial response alone (RFC 9051 section
// 6.2.2).
func (g *guard) emptyLine() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.empty = true
}

// Write writes under the library's deadline.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	empty := g.empty
	g.empty = false
	g.mu.Unlock()
	if empty && string(p) == "=\r\n" {
		n, err := g.Conn.Write(p[1:])
		return n + 1, err
	}
	return g.Conn.Write(p)
}

// SetReadDeadline does nothing: the library's own deadlines (30 s within a
// response, 5 min in a literal, none elsewhere) would undo ours.
func (g *guard) SetReadDeadline(time.Time) error { return nil }

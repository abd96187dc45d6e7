package imap

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	goimap "github.com/emersion/go-imap/v2"

	"radicado/ticket"
)

// capList is the name under which a LIST that the library cannot read is
// remembered; LIST itself every server has.
const capList goimap.Cap = "LIST"

// refusals remembers for the life of the process what a server offers and then
// does not do, so that it is asked once and not at each connection.
type refusals struct {
	mu   sync.Mutex
	caps map[goimap.Cap]bool
}

func (r *refusals) has(name goimap.Cap) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.caps[name]
}

// add reports whether it is new.
func (r *refusals) add(name goimap.Cap) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.caps[name] {
		return false
	}
	if r.caps == nil {
		r.caps = make(map[goimap.Cap]bool)
	}
	r.caps[name] = true
	return true
}

// can reports whether the server offers it and has not refused it before.
func (c *session) can(name goimap.Cap) bool { return c.caps.Has(name) && !c.refused.has(name) }

// refuses remembers that the server offers name and does not do it.
func (c *session) refuses(name goimap.Cap, err error) {
	if c.refused.add(name) {
		c.o.Logger.Warn("imap server offers what it does not do; going on without", "capability", string(name), "error", err)
	}
}

// window is how many UIDs one search may cover: searchWindow, or fewer where
// the server answers for the last so many mails alone and still says OK (RFC
// 9738). Those before them would be jumped over.
func (c *session) window() ticket.UID {
	for name := range c.caps {
		if text, ok := strings.CutPrefix(string(name), "MESSAGELIMIT="); ok {
			if n, err := strconv.ParseUint(text, 10, 32); err == nil && n > 0 {
				return min(searchWindow, ticket.UID(n))
			}
		}
	}
	return searchWindow
}

// errLimited is a search without an upper end that may have found more than the
// server tells. A new connection knows UIDNEXT and searches piece by piece.
var errLimited = errors.New("as many mails as the server lists at once; to be searched again in pieces")

// optional judges the end of a command that we can do without. A server that
// says no, or answers what the library cannot read, is not asked again, in this
// connection or later ones. It returns an error if the connection is over.
func (c *session) optional(name goimap.Cap, err error) error {
	switch {
	case err == nil:
		return nil
	case isAnswer(err):
		if !busy(err) {
			c.refuses(name, err)
		}
		return nil
	case c.guard.why() == nil: // it was the library that gave up
		c.refuses(name, err)
	}
	return err
}

// identify tells the server who we are (RFC 2971), which some want to know
// before they open a folder. It asks for UTF-8 folder names where the server
// speaks IMAP4rev2 (RFC 9051 section 6.3.1) and a name may need them: the library
// sends such names to any server that speaks it, asked or not.
func (c *session) identify(ctx context.Context) error {
	if c.can(goimap.CapID) {
		err := c.do(ctx, responseBudget, "id", func() error {
			_, err := c.client.ID(&goimap.IDData{Name: "radicado", Version: c.o.Version}).Wait()
			return err
		})
		if err := c.optional(goimap.CapID, err); err != nil {
			return err
		}
	}
	plain := func(name string) bool {
		return !strings.HasPrefix(name, `\`) && !strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII })
	}
	ascii := plain(c.o.After.Move)
	for _, f := range c.folders {
		ascii = ascii && plain(f.wanted)
	}
	if !ascii && c.can(goimap.CapIMAP4rev2) {
		err := c.do(ctx, responseBudget, "enable", func() error {
			_, err := c.client.Enable(goimap.CapIMAP4rev2).Wait()
			return err
		})
		return c.optional(goimap.CapIMAP4rev2, err)
	}
	return nil
}

// crowdedTexts are what servers say, in no response code, when there is no room
// for a connection: Dovecot, Gmail, Courier and Cyrus, Exchange.
var crowdedTexts = []string{
	"too many simultaneous", "maximum number of connections", "too many connections",
	"authenticated but not connected", "connection limit", "server unavailable",
}

// busyCodes say that the server cannot just now (RFC 5530).
var busyCodes = []goimap.ResponseCode{goimap.ResponseCodeLimit, goimap.ResponseCodeUnavailable, goimap.ResponseCodeInUse, goimap.ResponseCodeServerBug}

// busy reports whether the server says that it cannot just now (RFC 5530): of
// the state it is in, not of what was asked.
func busy(err error) bool {
	var answer *goimap.Error
	if !errors.As(err, &answer) {
		return false
	}
	if slices.Contains(busyCodes, answer.Code) {
		return true
	}
	text := strings.ToLower(answer.Text)
	return slices.ContainsFunc(crowdedTexts, func(s string) bool { return strings.Contains(text, s) })
}

// full says in plain words that the server has no room for us.
type full struct{ err error }

func (f *full) Error() string {
	text := "the server takes no further connection or is not ready; waiting longer than usual: " + f.err.Error()
	if strings.Contains(text, "authenticated but not connected") {
		text += " (Microsoft 365 says so too where who logs in has no right to the mailbox, or IMAP is off for it)"
	}
	return text
}
func (f *full) Unwrap() error { return f.err }

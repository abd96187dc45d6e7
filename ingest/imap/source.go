// Package imap is the source of mails on an IMAP server.
//
// A Source holds one connection a mailbox and keeps no state on disk: what has
// been taken is the sink's cursor, moved in the transaction that stores the
// mail. Mails are found by UID alone; flags, sequence numbers and the "unseen"
// of other clients mean nothing here.
//
// The client library gives no timeouts, reads a cut literal as a whole one and
// ends the connection on anything that it does not know. So every command runs
// under a deadline that closes the connection, every literal is counted, only
// UID, INTERNALDATE, RFC822.SIZE and BODY.PEEK[] are ever asked for, and a UID
// that fails again and again is quarantined so that those behind it go on.
//
// Goroutines: Run does everything in the caller's goroutine; the library reads
// the connection in one of its own, which ends with the connection and is
// waited for. The two share the guard, which locks.
package imap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"radicado/ingest"
)

// The ways to secure a connection.
const (
	SecurityTLS      = "tls"      // from the first byte, usually port 993
	SecurityStartTLS = "starttls" // after the greeting, usually port 143; never falls back
	SecurityNone     = "none"     // loopback only, unless AllowPlain
)

// After says what is done with a mail on the server once it is stored.
type After struct {
	Seen bool   // set \Seen
	Move string // move to this folder; "" moves nothing
}

// ParseAfter reads "seen", "none" or "move:Folder".
func ParseAfter(s string) (After, error) {
	switch {
	case s == "none":
		return After{}, nil
	case s == "seen":
		return After{Seen: true}, nil
	case strings.HasPrefix(s, "move:") && len(s) > len("move:"):
		return After{Move: strings.TrimPrefix(s, "move:")}, nil
	}
	return After{}, fmt.Errorf("after %q: want seen, none or move:FOLDER", s)
}

// String is the inverse of ParseAfter.
func (a After) String() string {
	switch {
	case a.Move != "":
		return "move:" + a.Move
	case a.Seen:
		return "seen"
	}
	return "none"
}

// Options describe one mailbox. Durations and numbers that are 0 get the
// default named beside them.
type Options struct {
	Mailbox    string // the desk's name for it
	Server     string // host:port
	Security   string // SecurityTLS (default), SecurityStartTLS or SecurityNone
	CAFile     string // PEM; further roots beside the system's
	AllowPlain bool   // SecurityNone to other than loopback addresses: the password travels in clear
	Username   string
	// Password is asked anew at each login, so that a changed file works
	// without a restart.
	Password func(ctx context.Context) (string, error)
	// Tokens makes logins by OAuth2, instead of Password.
	Tokens TokenSource
	// Folders are UTF-8 names, or special uses (RFC 6154) such as `\Junk`, which
	// stand for the folder that the server marks so; default INBOX. IDLE watches
	// the first one, the others are asked every Poll.
	Folders []string
	After   After  // done to each mail once it is stored
	Version string // of the program, for servers that ask for it (RFC 2971)

	Poll        time.Duration // 30 s: how often to look where IDLE is missing or silent, and at folders but the first
	Dial        time.Duration // 15 s: connect, TLS and greeting, each
	Command     time.Duration // 60 s: from a command to its end; a FETCH of mails is bound by Stall alone
	Stall       time.Duration // 60 s: without a byte while an answer is due
	IdleRefresh time.Duration // 10 min, at most 28 min: how long one IDLE lasts (RFC 2177 allows 29)
	Grace       time.Duration // 3 s: what is left, after ctx ended, to finish what is under way

	BackoffMin  time.Duration // 1 s: wait after the first failure, doubled each time
	BackoffMax  time.Duration // 5 min
	BatchSize   int           // 250, at most 500: UIDs in one FETCH
	MaxFailures int           // 3: failures at one UID before it is quarantined
	MaxMail     int64         // 512 MiB: a larger mail is refused: only its header is kept

	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now; for Status only
}

const inbox = "INBOX"

const (
	maxIdleRefresh = 28 * time.Minute
	maxBatchSize   = 500 // keeps the command under 8,000 bytes (RFC 2683 section 3.2.1.5)
)

func (o Options) withDefaults() Options {
	duration := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	duration(&o.Poll, 30*time.Second)
	duration(&o.Dial, 15*time.Second)
	duration(&o.Command, time.Minute)
	duration(&o.Stall, time.Minute)
	duration(&o.IdleRefresh, 10*time.Minute)
	duration(&o.Grace, 3*time.Second)
	duration(&o.BackoffMin, time.Second)
	duration(&o.BackoffMax, max(5*time.Minute, o.BackoffMin))
	if o.Security == "" {
		o.Security = SecurityTLS
	}
	if len(o.Folders) == 0 {
		o.Folders = []string{inbox}
	}
	o.Folders = slices.Clone(o.Folders)
	for i, name := range o.Folders {
		if strings.EqualFold(name, inbox) { // RFC 9051 section 5.1
			o.Folders[i] = inbox
		}
	}
	if o.BatchSize == 0 {
		o.BatchSize = 250
	}
	if o.MaxFailures == 0 {
		o.MaxFailures = 3
	}
	if o.MaxMail == 0 {
		o.MaxMail = 512 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Validate reports everything that is wrong with o, joined. It touches neither
// the network nor the CA file.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Mailbox == "" {
		wrong("mailbox has no name")
	}
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil || host == "" || port == "" {
		wrong("server %q: want host:port", o.Server)
	}
	switch o.Security {
	case SecurityTLS, SecurityStartTLS:
	case SecurityNone:
		if ip := net.ParseIP(host); err == nil && !o.AllowPlain && host != "localhost" && !ip.IsLoopback() {
			wrong("server %q: security none would send the password in clear; use tls or starttls, or allow it explicitly", o.Server)
		}
	default:
		wrong("security %q: want tls, starttls or none", o.Security)
	}
	if o.Username == "" {
		wrong("username is empty")
	}
	switch {
	case o.Password == nil && o.Tokens == nil:
		wrong("no password is given")
	case o.Password != nil && o.Tokens != nil:
		wrong("both a password and tokens are given")
	}
	for i, name := range o.Folders {
		if err := CheckFolder(name); err != nil {
			wrong("folder %q: %w", name, err)
		}
		if slices.Contains(o.Folders[:i], name) {
			wrong("folder %q is named twice", name)
		}
	}
	if o.After.Move != "" {
		if strings.ContainsAny(o.After.Move, "\r\n\x00") {
			wrong("after move:%q: not a folder name", o.After.Move)
		}
		if slices.Contains(o.Folders, o.After.Move) {
			wrong("after %s: the folder is itself read, so every mail would come again", o.After)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"poll", o.Poll}, {"dial", o.Dial}, {"command", o.Command}, {"stall", o.Stall}, {"idle refresh", o.IdleRefresh},
		{"grace", o.Grace}, {"backoff min", o.BackoffMin}, {"backoff max", o.BackoffMax},
	} {
		if d.value < 0 {
			wrong("%s %s: must not be negative", d.name, d.value)
		}
	}
	if o.IdleRefresh > maxIdleRefresh {
		wrong("idle refresh %s: at most %s (RFC 2177)", o.IdleRefresh, maxIdleRefresh)
	}
	if o.BackoffMax < o.BackoffMin {
		wrong("backoff max %s is less than min %s", o.BackoffMax, o.BackoffMin)
	}
	if o.BatchSize < 1 || o.BatchSize > maxBatchSize {
		wrong("batch size %d: want 1 to %d", o.BatchSize, maxBatchSize)
	}
	if o.MaxFailures < 1 {
		wrong("max failures %d: want at least 1", o.MaxFailures)
	}
	if o.MaxMail < 1 {
		wrong("max mail %d: want at least 1", o.MaxMail)
	}
	return errors.Join(errs...)
}

// Status is how a source fares, for health checks.
type Status struct {
	Connected   bool      // logged in now
	LastSuccess time.Time // end of the last look through all folders that met no error; zero if none yet
	LastError   string    // "" once a look has succeeded again; holds no secret and no content
	LastErrorAt time.Time
	Failures    int // attempts in a row that ended in an error
	// LoginEnds is when the OAuth2 grant ends and a person must log in anew;
	// zero if that is not known.
	LoginEnds time.Time
}

// Source takes the mails of one mailbox. It is a [ingest.Source].
type Source struct {
	o       Options
	folders []*folder // touched by Run's goroutine only
	refused *refusals

	mu     sync.Mutex
	status Status
}

var _ ingest.Source = (*Source)(nil)

// New checks the options and reads the CA file once, so that a wrong one is
// found at start.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("imap options of %q: %w", o.Mailbox, err)
	}
	o = o.withDefaults()
	if _, err := roots(o.CAFile); err != nil {
		return nil, fmt.Errorf("imap options of %q: %w", o.Mailbox, err)
	}
	o.Logger = o.Logger.With("mailbox", o.Mailbox)
	return &Source{o: o, refused: &refusals{}, folders: newFolders(o.Folders)}, nil
}

func newFolders(names []string) (list []*folder) {
	for _, name := range names {
		f := &folder{wanted: name, name: name}
		if use, _ := specialUse(name); use != "" {
			f.name = ""
		}
		list = append(list, f)
	}
	return list
}

// Status returns how the source fares. It may be called from any goroutine.
func (s *Source) Status() Status {
	var ends time.Time
	if s.o.Tokens != nil {
		ends = s.o.Tokens.Ends()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.LoginEnds = ends
	return st
}

func (s *Source) setStatus(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// Run takes mails until ctx ends, then returns nil. Every failure is logged,
// shown in Status and tried again after a pause that grows from BackoffMin to
// BackoffMax. After ctx has ended, what is under way has Grace to finish. Only
// one Run at a time.
func (s *Source) Run(ctx context.Context, sink ingest.Sink) error {
	b := backoff{min: s.o.BackoffMin, max: s.o.BackoffMax}
	renewed := false
	for ctx.Err() == nil {
		began := time.Now()
		well := false
		err := s.session(ctx, sink, func() { well, renewed = true, false })
		s.setStatus(func(st *Status) { st.Connected = false })
		if ctx.Err() != nil {
			return nil
		}
		// An aged token is renewed and tried at once, but once: a server that
		// refuses the new one too has another reason.
		var refused *refusedToken
		if errors.As(err, &refused) {
			s.o.Tokens.Renew(refused.token)
			if !renewed {
				renewed = true
				s.o.Logger.Info("imap access token refused; a new one is asked for", "error", err)
				continue
			}
		}
		switch {
		case busy(err):
			// A refused connection counts at many servers: more of them keep us out.
			b.failures = max(b.failures, busyFailures)
			err = &full{err}
		case well && time.Since(began) >= settledAfter*s.o.BackoffMin:
			b.reset()
		case well: // it worked, but not for long: no login a second
			b.failures = min(b.failures, 2)
		}
		wait := b.next()
		s.failed(err)
		s.o.Logger.Warn("imap session ended", "error", err, "retry_in", wait.Round(time.Millisecond))
		if !sleep(ctx, wait) {
			return nil
		}
	}
	return nil
}

const (
	// busyFailures is how many failures a server that has no room counts for: by
	// default the pause is then at least half a minute.
	busyFailures = 6
	// settledAfter, in BackoffMin, is how long a sound session lives at least.
	settledAfter = 20
)

// failed records an error for Status.
func (s *Source) failed(err error) {
	s.setStatus(func(st *Status) {
		st.LastError, st.LastErrorAt = bounded(err.Error()), s.o.Now()
		st.Failures++
	})
}

func (s *Source) succeeded() {
	s.setStatus(func(st *Status) {
		st.LastSuccess = s.o.Now()
		st.LastError, st.Failures = "", 0
	})
}

// bounded keeps what a server says from filling logs and reasons.
func bounded(s string) string {
	const limit = 300
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

// readCA reads the CA file; a separate function so that its error says what it is.
func readCA(path string) ([]byte, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	return pem, nil
}

// Package imaptest is an IMAP server in memory, for tests and for
// `radicado demo`. It listens on loopback, speaks plain text and loses
// everything when it ends. Proxy puts faults between it and a client.
package imaptest

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// Server is a running server. Its methods may be called from any goroutine.
type Server struct {
	listener net.Listener
	imap     *imapserver.Server
	mem      *imapmemserver.Server
	serving  sync.WaitGroup

	mu          sync.Mutex
	users       map[string]*imapmemserver.User
	uidValidity uint32
	poison      map[imap.UID]bool
	passwords   map[string]string // as they are now; the memory server keeps the first
	first       map[string]string
	changed     chan struct{} // closed and renewed at each change of a mailbox
	logins      atomic.Int64
	searches    atomic.Int64
	statuses    atomic.Int64
	selects     atomic.Int64
	junk        string       // the folder marked \Junk
	bearer      *bearerLogin // nil: logins by password
}

// Start starts a server on a free port of 127.0.0.1 with these users and their
// passwords, each with an empty INBOX. The UIDVALIDITY of all folders is the
// second of the start, so that a store filled from an earlier server does not
// take this one's mails for its own.
func Start(users map[string]string) (*Server, error) {
	return start(users, imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}})
}

// StartWithoutMove is Start without the MOVE extension.
func StartWithoutMove(users map[string]string) (*Server, error) {
	return start(users, imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}})
}

// StartRev2 is Start for a server that speaks IMAP4rev2 too: folder names in
// UTF-8 once that is enabled.
func StartRev2(users map[string]string) (*Server, error) {
	return start(users, imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}})
}

func start(users map[string]string, caps imap.CapSet) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s := &Server{
		listener:    listener,
		mem:         imapmemserver.New(),
		users:       make(map[string]*imapmemserver.User),
		uidValidity: uint32(time.Now().Unix()),
		poison:      make(map[imap.UID]bool),
		passwords:   maps.Clone(users),
		first:       maps.Clone(users),
		changed:     make(chan struct{}),
	}
	for name, password := range users {
		u := imapmemserver.NewUser(name, password)
		s.users[name] = u
		s.mem.AddUser(u)
		if err := u.Create("INBOX", nil); err != nil {
			listener.Close()
			return nil, fmt.Errorf("create INBOX of %s: %w", name, err)
		}
	}
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			inner, ok := s.mem.NewSession().(imapserver.SessionIMAP4rev2)
			if !ok {
				return nil, nil, fmt.Errorf("memory session lacks IMAP4rev2")
			}
			return &session{SessionIMAP4rev2: inner, server: s, conn: c}, nil, nil
		},
		Caps:         caps,
		InsecureAuth: true,
		Logger:       log.New(io.Discard, "", 0), // clients that go away are what tests are about
	})
	s.serving.Go(func() { _ = s.imap.Serve(listener) })
	return s, nil
}

// Addr returns the server's host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends the server and its connections.
func (s *Server) Close() error {
	err := s.imap.Close()
	s.serving.Wait()
	return err
}

// Deliver puts a mail into a folder, which is made if it is missing. A zero
// internalDate is now.
func (s *Server) Deliver(user, folder string, raw []byte, internalDate time.Time) error {
	u, err := s.user(user)
	if err != nil {
		return err
	}
	if _, err := u.Status(folder, &imap.StatusOptions{}); err != nil {
		if err := u.Create(folder, nil); err != nil {
			return fmt.Errorf("create folder %s of %s: %w", folder, user, err)
		}
	}
	_, err = u.Append(folder, literal{strings.NewReader(string(raw))}, &imap.AppendOptions{Time: internalDate})
	if err != nil {
		return fmt.Errorf("deliver to folder %s of %s: %w", folder, user, err)
	}
	s.notify()
	return nil
}

// MarkJunk makes a folder, which may be missing yet, the one for spam (RFC 6154).
func (s *Server) MarkJunk(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.junk = folder
}

// SetSeen marks all mails of a folder as read or unread.
func (s *Server) SetSeen(user, folder string, seen bool) error {
	u, err := s.user(user)
	if err != nil {
		return err
	}
	view := imapmemserver.NewUserSession(u)
	defer view.Close()
	if _, err := view.Select(folder, nil); err != nil {
		return fmt.Errorf("select %s of %s: %w", folder, user, err)
	}
	op := imap.StoreFlagsAdd
	if !seen {
		op = imap.StoreFlagsDel
	}
	all := imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}
	return view.Store(nil, all, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}, nil)
}

// Statuses returns how many STATUS commands were answered, and Selects how many
// folders were opened.
func (s *Server) Statuses() int { return int(s.statuses.Load()) }

// Selects returns how many folders were opened.
func (s *Server) Selects() int { return int(s.selects.Load()) }

// Count returns how many mails a folder holds, and how many of them are not
// \Seen; zeros if there is no such folder.
func (s *Server) Count(user, folder string) (all, unseen int) {
	u, err := s.user(user)
	if err != nil {
		return 0, 0
	}
	data, err := u.Status(folder, &imap.StatusOptions{NumMessages: true, NumUnseen: true})
	if err != nil {
		return 0, 0
	}
	return int(*data.NumMessages), int(*data.NumUnseen)
}

// SetPassword changes a user's password for later logins.
func (s *Server) SetPassword(user, password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[user] == nil {
		return fmt.Errorf("no user %s", user)
	}
	s.passwords[user] = password
	return nil
}

// SetUIDValidity changes what the server says for all folders at the next
// SELECT. The UIDs stay.
func (s *Server) SetUIDValidity(v uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uidValidity = v
}

// Poison makes the server drop the connection whenever the whole text of the
// mail with this UID is asked for, in whichever folder.
func (s *Server) Poison(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison[imap.UID(uid)] = true
}

// Logins returns how many logins were tried, and Searches how many searches.
func (s *Server) Logins() int { return int(s.logins.Load()) }

// Searches returns how many searches were made.
func (s *Server) Searches() int { return int(s.searches.Load()) }

func (s *Server) user(name string) (*imapmemserver.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[name]
	if u == nil {
		return nil, fmt.Errorf("no user %s", name)
	}
	return u, nil
}

// notify wakes those that idle.
func (s *Server) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) change() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// literal is a text to append.
type literal struct{ *strings.Reader }

// Size returns the text's length in bytes.
func (l literal) Size() int64 { return l.Reader.Size() }

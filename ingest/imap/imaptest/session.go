package imaptest

import (
	"crypto/subtle"
	"runtime"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// session is the memory server's with our knobs.
type session struct {
	imapserver.SessionIMAP4rev2
	server *Server
	conn   *imapserver.Conn
}

func (s *session) Login(username, password string) error {
	s.server.logins.Add(1)
	s.server.mu.Lock()
	now, known := s.server.passwords[username]
	first := s.server.first[username]
	s.server.mu.Unlock()
	if s.server.bearerLogin() != nil || !known || subtle.ConstantTimeCompare([]byte(now), []byte(password)) != 1 {
		return imapserver.ErrAuthFailed
	}
	return s.SessionIMAP4rev2.Login(username, first)
}

func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, o *imap.ListOptions) error {
	s.server.mu.Lock()
	junk := s.server.junk
	s.server.mu.Unlock()
	if junk == "" {
		return s.SessionIMAP4rev2.List(w, ref, patterns, o)
	}
	// The memory server can mark no folder; besides INBOX this one is all there is.
	for _, data := range []imap.ListData{{Mailbox: "INBOX", Delim: '/'}, {Mailbox: junk, Delim: '/', Attrs: []imap.MailboxAttr{imap.MailboxAttrJunk}}} {
		if err := w.WriteList(&data); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Status(name string, o *imap.StatusOptions) (*imap.StatusData, error) {
	s.server.statuses.Add(1)
	data, err := s.SessionIMAP4rev2.Status(name, o)
	if err == nil && o.UIDValidity {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		data.UIDValidity = s.server.uidValidity
	}
	return data, err
}

func (s *session) Select(name string, o *imap.SelectOptions) (*imap.SelectData, error) {
	s.server.selects.Add(1)
	data, err := s.SessionIMAP4rev2.Select(name, o)
	if err != nil {
		return nil, err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	data.UIDValidity = s.server.uidValidity
	return data, nil
}

func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	s.server.searches.Add(1)
	return s.SessionIMAP4rev2.Search(kind, criteria, o)
}

// Idle also announces what came between the command before and IDLE, as real
// servers do; the library's session waits for the next change instead.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		changed := s.server.change()
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-changed:
		}
	}
}

func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	err := s.fetch(w, set, o)
	if err != nil {
		// A text that could not be written leaves the library's lock taken, for
		// which it would wait to answer. So this connection's goroutine ends here.
		runtime.Goexit()
	}
	return err
}

func (s *session) fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	whole := slices.ContainsFunc(o.BodySection, func(b *imap.FetchItemBodySection) bool { return b.Specifier == imap.PartSpecifierNone })
	uids, ok := set.(imap.UIDSet)
	if !ok || !whole {
		return s.SessionIMAP4rev2.Fetch(w, set, o)
	}
	nums, _ := uids.Nums()
	bad := slices.IndexFunc(nums, s.server.isPoison)
	if bad < 0 {
		return s.SessionIMAP4rev2.Fetch(w, set, o)
	}
	if bad > 0 {
		if err := s.SessionIMAP4rev2.Fetch(w, imap.UIDSetNum(nums[:bad]...), o); err != nil {
			return err
		}
	}
	return s.conn.NetConn().Close()
}

func (s *Server) isPoison(uid imap.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poison[uid]
}

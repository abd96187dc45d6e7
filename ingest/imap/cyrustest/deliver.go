package cyrustest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"radicado/ingest/imap/servertest"
)

type client = imapclient.Client

// sender puts mails into a user's INBOX by APPEND, since LMTP adds lines to
// them. Like a relay it keeps what it cannot deliver.
type sender struct {
	server *Server
	user   string

	mu     sync.Mutex
	client *client  // nil while there is no connection
	queue  [][]byte // in the order of delivery
	closed bool     // the server is stopped
}

// Deliver is servertest.Server's.
func (s *Server) Deliver(user string, raw []byte) error {
	d, ok := s.senders[user]
	if !ok {
		return fmt.Errorf("deliver: no user %s", user)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, raw)
	if d.closed {
		return nil
	}
	return d.send()
}

// flush delivers what was kept while the server was stopped.
func (d *sender) flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = false
	return d.send()
}

func (d *sender) send() error {
	for len(d.queue) > 0 {
		if d.client == nil {
			var err error
			if d.client, err = servertest.Login(d.server, d.user, d.server.Password(d.user)); err != nil {
				return err
			}
		}
		raw := d.queue[0]
		cmd := d.client.Append("INBOX", int64(len(raw)), &imap.AppendOptions{Time: time.Now()})
		_, err := cmd.Write(raw)
		err = errors.Join(err, cmd.Close())
		if err == nil {
			_, err = cmd.Wait()
		}
		if err != nil {
			return fmt.Errorf("deliver to %s: %w", d.user, err)
		}
		d.queue = d.queue[1:]
	}
	return nil
}

// closeSenders ends their connections; what comes is kept until flush.
func (s *Server) closeSenders() {
	for _, d := range s.senders {
		d.mu.Lock()
		if d.closed = true; d.client != nil {
			d.client.Close()
			d.client = nil
		}
		d.mu.Unlock()
	}
}

// asAdmin runs commands of the administrator.
func (s *Server) asAdmin(do func(c *client) error) error {
	c, err := servertest.Login(s, admin, s.Password(admin))
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// Renumber deletes the user's INBOX under whoever reads it, makes it anew and
// puts the same mails back. Cyrus runs for this and stays as it was.
func (s *Server) Renumber(user string) error {
	d, ok := s.senders[user]
	if !ok {
		return fmt.Errorf("renumber: no user %s", user)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	raws, err := s.mails(user)
	if err != nil {
		return err
	}
	mailbox := "user." + user
	err = s.asAdmin(func(c *client) error {
		// Not even an administrator may delete without being given the right.
		return errors.Join(
			c.SetACL(mailbox, admin, imap.RightModificationReplace, imap.RightSet("lrxca")).Wait(),
			c.Delete(mailbox).Wait(),
			c.Create(mailbox, nil).Wait(),
		)
	})
	if err != nil {
		return fmt.Errorf("renumber %s: %w", user, err)
	}
	if d.client != nil {
		d.client.Close() // of a session that may hold the old mailbox
		d.client = nil
	}
	d.queue = append(raws, d.queue...)
	return d.send()
}

// mails returns the originals in a user's INBOX, in the order of their UIDs.
func (s *Server) mails(user string) (raws [][]byte, err error) {
	c, err := servertest.Login(s, user, s.Password(user))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return nil, fmt.Errorf("read the mails of %s: %w", user, err)
	}
	var all imap.UIDSet
	all.AddRange(1, 0)
	text := &imap.FetchItemBodySection{Peek: true}
	list, err := c.Fetch(all, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{text}}).Collect()
	if err != nil {
		return nil, fmt.Errorf("read the mails of %s: %w", user, err)
	}
	for _, m := range list {
		raws = append(raws, m.FindBodySection(text))
	}
	return raws, nil
}

package servertest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// loginTime bounds a helper's conversation with the server.
const loginTime = 30 * time.Second

// Login connects to the plain port as a user; the caller closes the client.
func Login(s Server, user, password string) (*imapclient.Client, error) {
	c, err := imapclient.DialInsecure(s.Addr(), nil)
	if err != nil {
		return nil, fmt.Errorf("connect as %s: %w", user, err)
	}
	if err := c.Login(user, password).Wait(); err != nil {
		c.Close()
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	return c, nil
}

// Count returns how many mails a folder of a user's holds, and how many of them
// are marked as seen. A folder that does not exist holds none.
func Count(s Server, user, folder string) (all, seen int, err error) {
	c, err := Login(s, user, s.Password(user))
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	defer time.AfterFunc(loginTime, func() { c.Close() }).Stop()
	data, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if errors.As(err, new(*imap.Error)) {
		return 0, 0, nil
	}
	if err != nil || data.NumMessages == 0 {
		return 0, 0, err
	}
	var set imap.SeqSet
	set.AddRange(1, 0)
	list, err := c.Fetch(set, &imap.FetchOptions{UID: true, Flags: true}).Collect()
	if err != nil {
		return 0, 0, fmt.Errorf("count %s of %s: %w", folder, user, err)
	}
	for _, m := range list {
		if slices.Contains(m.Flags, imap.FlagSeen) {
			seen++
		}
	}
	return len(list), seen, nil
}

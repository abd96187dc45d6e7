package imap

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/emersion/go-imap/v2/imapclient"

	"radicado/ticket"
)

// FolderUIDs is what a server holds of one folder.
type FolderUIDs struct {
	Folder      string // its name on the server, also where a special use was configured
	UIDValidity uint32
	UIDs        []ticket.UID // ascending
}

// List returns the UIDs that the server holds in each folder of the options. It
// has a connection of its own, opens folders read-only, fetches nothing and
// leaves Status alone, so it may run beside Run. A folder that cannot be read
// is missing from the list and named by the error.
func (s *Source) List(ctx context.Context) ([]FolderUIDs, error) {
	list, err := s.list(ctx)
	var refused *refusedToken
	if errors.As(err, &refused) {
		s.o.Tokens.Renew(refused.token)
		list, err = s.list(ctx)
	}
	if err != nil {
		return list, fmt.Errorf("list uids of mailbox %s: %w", s.o.Mailbox, err)
	}
	return list, nil
}

func (s *Source) list(ctx context.Context) (list []FolderUIDs, err error) {
	o := s.o
	o.After = After{} // EXAMINE, never SELECT
	g, err := dial(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &session{Source: &Source{o: o, refused: s.refused, folders: newFolders(o.Folders)}, guard: g, arrived: make(chan struct{}, 1)}
	g.expect(o.Dial, responseBudget)
	c.client = imapclient.New(g, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: c.onMailbox},
	})
	defer c.close()
	if err := c.login(ctx); err != nil {
		return nil, fmt.Errorf("log in as %s: %w", o.Username, err)
	}
	if err := c.identify(ctx); err != nil {
		return nil, err
	}
	if err := c.resolve(ctx); err != nil {
		return nil, err
	}
	var errs []error
	for _, f := range c.folders {
		if f.same {
			continue
		}
		err := c.selectFolder(ctx, f)
		var refused *refusal
		if errors.As(err, &refused) {
			errs = append(errs, err)
			continue
		}
		if err != nil {
			return list, errors.Join(append(errs, err)...)
		}
		uids, err := c.listFolder(ctx, f)
		if err != nil {
			return list, errors.Join(append(errs, err)...)
		}
		list = append(list, FolderUIDs{Folder: f.name, UIDValidity: f.uidValidity, UIDs: uids})
	}
	c.logout()
	return list, errors.Join(errs...)
}

// listFolder searches the selected folder, a window at a time.
func (c *session) listFolder(ctx context.Context, f *folder) ([]ticket.UID, error) {
	var all []ticket.UID
	for last := ticket.UID(0); last < math.MaxUint32; {
		hi := ticket.UID(0)
		if w := c.window(); f.uidNext > last && f.uidNext-last > w {
			hi = last + w
		}
		uids, err := c.search(ctx, last+1, hi)
		if err != nil {
			return nil, err
		}
		if hi == 0 && len(uids) >= int(c.window()) {
			return nil, fmt.Errorf("search %s: %w", f.name, errLimited)
		}
		all = append(all, uids...)
		if hi == 0 {
			break
		}
		last = hi
	}
	return all, nil
}

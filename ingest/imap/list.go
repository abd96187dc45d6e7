package imap

import (
	"context"
	"errors"
	"fmt"
	"math"

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
	beside := &Source{o: o, refused: s.refused, folders: newFolders(o.Folders)}
	c, err := beside.open(ctx, ctx, nil)
	if err != nil {
		return nil, err
	}
	defer c.close()
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
		uids, upTo, err := c.searchAbove(ctx, f, last)
		if err != nil {
			return nil, err
		}
		all = append(all, uids...)
		last = upTo
	}
	return all, nil
}

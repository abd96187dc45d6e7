package imap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"radicado/ticket"
)

// searchWindow is how many UIDs one search covers, so that its answer stays
// below searchBudget. The last search has no upper end, but a server that
// numbers honestly cannot have more in it.
const searchWindow = 1_000_000

// search returns the UIDs from lo to hi that the selected folder holds,
// ascending; hi 0 is no upper end. At most searchWindow come back.
func (c *session) search(ctx context.Context, lo, hi ticket.UID) ([]ticket.UID, error) {
	var set goimap.UIDSet
	set.AddRange(goimap.UID(lo), goimap.UID(hi))
	return c.searchSet(ctx, set, lo, hi)
}

// searchAbove returns the UIDs that the selected folder holds above from, as far
// as one search goes, and up to which UID that is: math.MaxUint32 at the end.
func (c *session) searchAbove(ctx context.Context, f *folder, from ticket.UID) (uids []ticket.UID, upTo ticket.UID, err error) {
	hi, upTo, w := ticket.UID(0), ticket.UID(math.MaxUint32), c.window()
	if f.uidNext > from && f.uidNext-from > w {
		hi = from + w
		upTo = hi
	}
	if uids, err = c.search(ctx, from+1, hi); err != nil {
		return nil, 0, err
	}
	if hi == 0 && len(uids) >= int(w) {
		return nil, 0, fmt.Errorf("search %s: %w", f.name, errLimited)
	}
	return uids, upTo, nil
}

func (c *session) searchSet(ctx context.Context, set goimap.UIDSet, lo, hi ticket.UID) ([]ticket.UID, error) {
	return c.searchFor(ctx, &goimap.SearchCriteria{UID: []goimap.UIDSet{set}}, lo, hi)
}

// unseen returns which of the last UIDs up to last are not marked as seen.
func (c *session) unseen(ctx context.Context, last ticket.UID) ([]ticket.UID, error) {
	lo := ticket.UID(1)
	if w := c.window(); last > w {
		lo = last - w + 1
	}
	var set goimap.UIDSet
	set.AddRange(goimap.UID(lo), goimap.UID(last))
	return c.searchFor(ctx, &goimap.SearchCriteria{UID: []goimap.UIDSet{set}, NotFlag: []goimap.Flag{goimap.FlagSeen}}, lo, last)
}

func (c *session) searchFor(ctx context.Context, criteria *goimap.SearchCriteria, lo, hi ticket.UID) ([]ticket.UID, error) {
	var uids []ticket.UID
	err := c.do(ctx, searchBudget, fmt.Sprintf("search %s from uid %d", c.selected.name, lo), func() error {
		data, err := c.client.UIDSearch(criteria, nil).Wait()
		if err != nil {
			return err
		}
		uids, err = listUIDs(data.All, lo, hi)
		return err
	})
	return uids, err
}

// listUIDs writes a set out, bounded: an ESEARCH answer can claim four thousand
// million UIDs in a few bytes. What is outside lo to hi is dropped: "n:*" with n
// past the end finds the last mail (RFC 9051 section 6.4.8).
func listUIDs(set goimap.NumSet, lo, hi ticket.UID) ([]ticket.UID, error) {
	ranges, ok := set.(goimap.UIDSet)
	if !ok {
		return nil, nil // no untagged answer at all
	}
	if hi == 0 {
		hi = math.MaxUint32
	}
	var uids []ticket.UID
	for _, r := range ranges {
		if r.Start == 0 || r.Stop == 0 {
			return nil, errors.New("the answer names the uid *")
		}
		first, last := max(ticket.UID(r.Start), lo), min(ticket.UID(r.Stop), hi)
		for u := uint64(first); u <= uint64(last); u++ {
			if len(uids) == searchWindow {
				return uids, nil
			}
			uids = append(uids, ticket.UID(u))
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// uidSet makes the set of a command.
func uidSet(uids []ticket.UID) goimap.UIDSet {
	var set goimap.UIDSet
	for _, u := range uids {
		set.AddNum(goimap.UID(u))
	}
	return set
}

package storetest

import (
	"context"
	"errors"
	"testing"

	"radicado/store"
	"radicado/ticket"
)

// testOutcomes: a folder's ledger comes whole and in order over several views,
// and nothing of its neighbours.
func testOutcomes(t *testing.T, s *store.Store) {
	const n = 1200 // more than two views read
	update(t, s, func(tx *store.Tx) error {
		var errs []error
		put := func(mailbox, folder string, validity uint32, uid ticket.UID) {
			errs = append(errs, tx.PutOutcome(ticket.Origin{Mailbox: mailbox, Folder: folder, UIDValidity: validity, UID: uid},
				ticket.Outcome{Disposition: ticket.DispositionDuplicate, At: t0}))
		}
		for uid := ticket.UID(n); uid > 0; uid-- {
			put("soporte", "INBOX", 7, 2*uid)
		}
		put("soporte", "INBOX", 8, 1)
		put("soporte", "INBOX", 6, 3)
		put("soporte", "INBOX/a", 7, 5)
		put("pqrsa", "INBOX", 7, 7)
		errs = append(errs, tx.PutOutcome(ticket.Origin{Mailbox: "soporte", Path: "INBOX"}, ticket.Outcome{Disposition: ticket.DispositionDuplicate, At: t0}))
		return errors.Join(errs...)
	})
	list := func(mailbox, folder string, validity uint32, after ticket.UID) (uids []ticket.UID) {
		err := s.Outcomes(context.Background(), mailbox, folder, validity, after, func(uid ticket.UID, out ticket.Outcome) error {
			if out.Disposition != ticket.DispositionDuplicate {
				t.Errorf("uid %d: %+v", uid, out)
			}
			uids = append(uids, uid)
			return nil
		})
		if err != nil {
			t.Errorf("outcomes of %s/%s: %v", mailbox, folder, err)
		}
		return uids
	}
	all := list("soporte", "INBOX", 7, 0)
	if len(all) != n {
		t.Fatalf("%d outcomes, want %d", len(all), n)
	}
	for i, uid := range all {
		if uid != ticket.UID(2*i+2) {
			t.Fatalf("outcome %d is of uid %d", i, uid)
		}
	}
	for _, c := range []struct {
		mailbox, folder string
		validity        uint32
		after           ticket.UID
		want            []ticket.UID
	}{
		{"soporte", "INBOX", 8, 0, []ticket.UID{1}},
		{"soporte", "INBOX/a", 7, 0, []ticket.UID{5}},
		{"pqrsa", "INBOX", 7, 0, []ticket.UID{7}},
		{"pqrsa", "INBOX", 9, 0, nil},
		{"soporte", "INBOX", 7, 2*n - 4, []ticket.UID{2*n - 2, 2 * n}},
		{"soporte", "INBOX", 7, 2*n - 3, []ticket.UID{2*n - 2, 2 * n}},
		{"soporte", "INBOX", 7, 2 * n, nil},
	} {
		equal(t, c.mailbox+"/"+c.folder, list(c.mailbox, c.folder, c.validity, c.after), c.want)
	}
	stop := errors.New("enough")
	calls := 0
	err := s.Outcomes(context.Background(), "soporte", "INBOX", 7, 0, func(ticket.UID, ticket.Outcome) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("stopped with %v after %d calls", err, calls)
	}
}

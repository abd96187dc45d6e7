package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"radicado/ticket"
)

// ledgerPage is how many outcomes one answer has at most.
const ledgerPage = 5000

// LedgerPage is a part of a folder's ledger as the API answers it.
type LedgerPage struct {
	Cursor   ticket.Cursor `json:"cursor"`   // read before the outcomes, so each UID up to it that was met is among them
	Outcomes []LedgerEntry `json:"outcomes"` // ascending
	Next     ticket.UID    `json:"next"`     // "after" of the next page; 0 on the last
}

// LedgerEntry is what became of the mail of one UID.
type LedgerEntry struct {
	UID ticket.UID `json:"uid"`
	ticket.Outcome
}

// apiLedger answers with outcomes of one folder. It needs the token: it is for
// the desk's own reconciliation.
func (h *handler) apiLedger(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	mailbox, folder := q.Get("mailbox"), q.Get("folder")
	validity, err := ledgerNumber(q, "uidvalidity", true)
	if err != nil || mailbox == "" || folder == "" {
		h.fail(w, r, errLedger)
		return
	}
	after, err := ledgerNumber(q, "after", false)
	if err != nil {
		h.fail(w, r, errLedger)
		return
	}
	page := LedgerPage{Outcomes: []LedgerEntry{}}
	if page.Cursor, err = h.o.Store.Cursor(r.Context(), mailbox, folder); err != nil {
		h.fail(w, r, fmt.Errorf("read cursor: %w", err))
		return
	}
	full := errors.New("the page is full")
	err = h.o.Store.Outcomes(r.Context(), mailbox, folder, validity, ticket.UID(after), func(uid ticket.UID, out ticket.Outcome) error {
		if len(page.Outcomes) == ledgerPage {
			page.Next = page.Outcomes[ledgerPage-1].UID
			return full
		}
		page.Outcomes = append(page.Outcomes, LedgerEntry{UID: uid, Outcome: out})
		return nil
	})
	if err != nil && !errors.Is(err, full) {
		h.fail(w, r, fmt.Errorf("read ledger: %w", err))
		return
	}
	h.writeJSON(w, okStatus, page)
}

var errLedger = &problem{http.StatusBadRequest, "want mailbox, folder and uidvalidity (1..4294967295), and after as a uid", "Faltan datos de la carpeta."}

func ledgerNumber(q url.Values, name string, required bool) (uint32, error) {
	if !q.Has(name) && !required {
		return 0, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 32)
	return uint32(n), err
}

// Ledger calls fn for the outcomes recorded of a server's folder, ascending,
// and returns the folder's cursor as it was before the first was read. It needs
// the token.
func (c *Client) Ledger(ctx context.Context, mailbox, folder string, uidValidity uint32, fn func(LedgerEntry)) (ticket.Cursor, error) {
	q := url.Values{"mailbox": {mailbox}, "folder": {folder}, "uidvalidity": {strconv.FormatUint(uint64(uidValidity), 10)}}
	var cursor ticket.Cursor
	for first := true; ; first = false {
		var page LedgerPage
		if err := c.do(ctx, http.MethodGet, "/api/v1/ledger?"+q.Encode(), nil, "", &page); err != nil {
			return ticket.Cursor{}, err
		}
		if first {
			cursor = page.Cursor
		}
		for _, e := range page.Outcomes {
			fn(e)
		}
		if page.Next == 0 {
			return cursor, nil
		}
		q.Set("after", strconv.FormatUint(uint64(page.Next), 10))
	}
}

package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// TestLedger: a folder's ledger comes whole through pages, to token holders.
func TestLedger(t *testing.T) {
	desk := newDesk(t)
	desk.o.Token = "secret"
	const n = ledgerPage + 7
	at := time.Date(2026, 7, 10, 15, 0, 0, 0, time.UTC)
	err := desk.o.Store.Update(t.Context(), func(tx *store.Tx) error {
		var errs []error
		for uid := ticket.UID(1); uid <= n; uid++ {
			errs = append(errs, tx.PutOutcome(ticket.Origin{Mailbox: "soporte", Folder: "INBOX/Año", UIDValidity: 7, UID: uid}, ticket.Outcome{Disposition: ticket.DispositionDuplicate, At: at}))
		}
		return errors.Join(append(errs, tx.AdvanceCursor("soporte", "INBOX/Año", 7, 0, n, at))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(desk.handler())
	defer srv.Close()
	last := ticket.UID(0)
	cursor, err := NewClient(srv.URL, "secret", srv.Client()).Ledger(t.Context(), "soporte", "INBOX/Año", 7, func(e LedgerEntry) {
		if e.UID != last+1 || e.Disposition != ticket.DispositionDuplicate {
			t.Fatalf("after uid %d came %+v", last, e)
		}
		last = e.UID
	})
	if err != nil || last != n || cursor.Last != n || cursor.UIDValidity != 7 {
		t.Errorf("up to uid %d, cursor %+v, %v", last, cursor, err)
	}
	var refused *APIError
	if _, err := NewClient(srv.URL, "", srv.Client()).Ledger(t.Context(), "soporte", "INBOX", 7, nil); !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", err)
	}
	for _, q := range []string{"", "mailbox=soporte&folder=INBOX", "mailbox=soporte&folder=INBOX&uidvalidity=x", "mailbox=soporte&folder=INBOX&uidvalidity=7&after=-1", "folder=INBOX&uidvalidity=7"} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/api/v1/ledger?"+q, nil)
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		desk.handler().ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: status %d", q, w.Code)
		}
	}
}

func TestUnfiledAPI(t *testing.T) {
	desk := newDesk(t)
	desk.unfiled(ticket.DispositionAutoReply, sent{mailbox: "pqrsa", mail: ticket.Mail{Subject: "Fuera"}})
	srv := httptest.NewServer(desk.handler())
	defer srv.Close()
	list, err := NewClient(srv.URL, "", srv.Client()).Unfiled(t.Context())
	if err != nil || len(list.Mails) != 1 || list.Mails[0].Subject != "Fuera" || list.Mails[0].Mailbox != "pqrsa" || list.Mails[0].Digest.IsZero() {
		b, _ := json.Marshal(list)
		t.Errorf("%s, %v", b, err)
	}
}

func TestRequeueAPI(t *testing.T) {
	desk := newDesk(t)
	desk.o.Token = "secret"
	n := ticket.Number{Year: 2026, Seq: 1}
	client := func() (*Client, func()) {
		srv := httptest.NewServer(desk.handler())
		return NewClient(srv.URL, "secret", srv.Client()), srv.Close
	}
	for _, c := range []struct {
		name   string
		err    error
		off    bool
		status int
	}{
		{"nobody to do it", nil, true, http.StatusNotFound},
		{"refused", ticket.ErrRequeue, false, http.StatusConflict},
		{"unknown", store.ErrNotFound, false, http.StatusNotFound},
		{"failed", errors.New("broken"), false, http.StatusInternalServerError},
	} {
		called := ticket.Actor{}
		desk.o.Requeue = nil
		if !c.off {
			desk.o.Requeue = func(_ context.Context, got ticket.Number, by ticket.Actor) error {
				called = by
				if got != n {
					t.Errorf("asked for %s", got)
				}
				return c.err
			}
		}
		cl, stop := client()
		_, err := cl.Requeue(t.Context(), n, "luz")
		stop()
		var answer *APIError
		if !errors.As(err, &answer) || answer.Status != c.status {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.off && called != (ticket.Actor{Kind: ticket.ActorLead, Name: "luz"}) {
			t.Errorf("%s: asked by %+v", c.name, called)
		}
	}
}

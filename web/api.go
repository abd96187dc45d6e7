package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// ActorHeader names the person on whose behalf a change is made.
const ActorHeader = "X-Radicado-Actor"

// The bounds of a change, in runes.
const (
	maxActor    = 100
	maxAssignee = 100
	maxReason   = 1000
)

// TicketList is a page of tickets as the API answers it.
type TicketList struct {
	Tickets []ticket.View `json:"tickets"`
	Next    string        `json:"next"` // "after" of the next page; "" on the last
}

func (h *handler) apiStats(w http.ResponseWriter, r *http.Request) {
	s, err := h.o.Store.Stats(r.Context())
	if err != nil {
		h.fail(w, r, fmt.Errorf("read stats: %w", err))
		return
	}
	h.writeJSON(w, okStatus, s)
}

func (h *handler) apiTickets(w http.ResponseWriter, r *http.Request) {
	page, err := h.tickets(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	list := TicketList{Tickets: make([]ticket.View, 0, len(page.Tickets)), Next: page.Next}
	for _, t := range page.Tickets {
		list.Tickets = append(list.Tickets, t.View())
	}
	h.writeJSON(w, okStatus, list)
}

// tickets reads the page of tickets that a request asks for.
func (h *handler) tickets(r *http.Request) (store.Page, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return store.Page{}, &filterError{"query", r.URL.RawQuery, "name=value&…, percent-encoded"}
	}
	f, err := ParseFilter(q, h.o.Now())
	if err != nil {
		return store.Page{}, err
	}
	page, err := h.o.Store.Tickets(r.Context(), f)
	if err != nil && f.After != "" {
		// The store has no error of its own for a position that is not of this
		// order; it is at fault if the same question without it is answered.
		without := f
		without.After, without.Limit = "", 1
		if _, probe := h.o.Store.Tickets(r.Context(), without); probe == nil {
			return store.Page{}, &filterError{"after", f.After, wantAfter}
		}
	}
	if err != nil {
		return store.Page{}, fmt.Errorf("read tickets: %w", err)
	}
	return page, nil
}

func (h *handler) apiTicket(w http.ResponseWriter, r *http.Request) {
	d, err := h.detail(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, okStatus, d)
}

// detail reads the ticket that the path names. What is no number names none.
func (h *handler) detail(r *http.Request) (ticket.Detail, error) {
	n, err := ticket.ParseNumber(r.PathValue("number"))
	if err != nil {
		return ticket.Detail{}, store.ErrNotFound
	}
	d, err := h.o.Store.Detail(r.Context(), n)
	if err != nil {
		return ticket.Detail{}, fmt.Errorf("read ticket %s: %w", n, err)
	}
	return d, nil
}

// apiChange applies a change in one transaction and answers the ticket as it
// is then. A change that changes nothing is no error.
func (h *handler) apiChange(w http.ResponseWriter, r *http.Request) {
	n, err := ticket.ParseNumber(r.PathValue("number"))
	if err != nil {
		h.fail(w, r, store.ErrNotFound)
		return
	}
	by, err := actor(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	c, err := readChange(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	now := h.o.Now().UTC().Truncate(time.Second)
	// The function may run twice, so it only reads what is outside of it.
	err = h.o.Store.Update(r.Context(), func(tx *store.Tx) error {
		t, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		t, events, err := t.Apply(c, by, now, h.o.Terms)
		if err != nil {
			return &badChange{err}
		}
		if len(events) == 0 {
			return nil
		}
		return tx.PutTicket(&t, events...)
	})
	if err != nil {
		h.fail(w, r, fmt.Errorf("change ticket %s: %w", n, err))
		return
	}
	h.o.Logger.Info("ticket changed", "ticket", n.String(), "actor", by.Name)
	h.apiTicket(w, r)
}

func actor(r *http.Request) (ticket.Actor, error) {
	name := strings.TrimSpace(r.Header.Get(ActorHeader))
	if name == "" || !printable(name, maxActor) {
		return ticket.Actor{}, &badChange{fmt.Errorf("%s: want 1..%d printable characters", ActorHeader, maxActor)}
	}
	return ticket.Actor{Kind: ticket.ActorLead, Name: name}, nil
}

// readChange reads exactly one JSON object and nothing that it does not know.
func readChange(r *http.Request) (ticket.Change, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return ticket.Change{}, errMedia
	}
	var c ticket.Change
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, bodyError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("more than one value")
		}
		return c, bodyError(err)
	}
	switch {
	case c.Empty():
		return c, &badChange{errors.New("change: want at least one of type, priority, term, status, assignee, review, release")}
	case c.Assignee != nil && !printable(*c.Assignee, maxAssignee):
		return c, &badChange{fmt.Errorf("assignee: want 0..%d printable characters", maxAssignee)}
	case !printable(c.Reason, maxReason):
		return c, &badChange{fmt.Errorf("reason: want 0..%d printable characters", maxReason)}
	}
	return c, nil
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	// The decoder's sentence may quote what was sent.
	return &badChange{fmt.Errorf("change: want one JSON object: %s", shorten(err.Error(), 200))}
}

func (h *handler) apiDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // a failed write means that the client is gone
}

// writeJSON answers v. It is marshalled before anything is sent, so that no
// answer is cut in the middle.
func (h *handler) writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		h.o.Logger.Error("marshal an answer", "error", err)
		status, b = errPanic.status, []byte(`{"error":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a failed write means that the client is gone
}

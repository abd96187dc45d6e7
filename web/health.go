package web

import (
	"fmt"
	"net/http"
	"time"
)

// MailboxHealth says how one mailbox fares.
type MailboxHealth struct {
	Mailbox   string    `json:"mailbox"`
	Connected bool      `json:"connected"` // mail is being taken
	Since     time.Time `json:"since"`     // of the present state
	Error     string    `json:"error"`     // the last failure, a sentence without secrets; "" if connected
	// Stale is true where no look for mail has succeeded for longer than the
	// desk allows; LastSuccess is the last one, zero if there was none.
	Stale       bool      `json:"stale"`
	LastSuccess time.Time `json:"last_success"`
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready      bool            `json:"ready"`
	Version    string          `json:"version"`
	StoreBytes int64           `json:"store_bytes"` // size of the database file
	Mailboxes  []MailboxHealth `json:"mailboxes"`   // a mailbox that is down does not make the server unready
}

// healthz says that the process lives and answers; it touches nothing else.
func (h *handler) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// readyz says that the store can be read.
func (h *handler) readyz(w http.ResponseWriter, r *http.Request) {
	if _, err := h.o.Store.Stats(r.Context()); err != nil {
		h.o.Logger.Error("store is not readable", "error", err)
		h.fail(w, r, errAway)
		return
	}
	size, err := h.o.Store.Size()
	if err != nil {
		h.o.Logger.Error("store file is gone", "error", err)
		h.fail(w, r, errAway)
		return
	}
	h.writeJSON(w, okStatus, Readiness{Ready: true, Version: h.o.Version, StoreBytes: size, Mailboxes: h.mailboxHealth()})
}

// mailboxHealth returns the states of the mailboxes, never nil.
func (h *handler) mailboxHealth() []MailboxHealth {
	if h.o.Health == nil {
		return []MailboxHealth{}
	}
	return append([]MailboxHealth{}, h.o.Health()...)
}

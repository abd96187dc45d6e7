package web

import (
	"fmt"
	"net/http"
	"strings"
)

// MaxUnfiled is how many automatic mails the page and the API show, the newest.
const MaxUnfiled = 200

// unfiledPage lists automatic mail that is kept without a ticket.
type unfiledPage struct {
	page
	Rows []unfiledRow
	Full bool // there may be more
	Max  int
}

type unfiledRow struct {
	Received                              instant
	Mailbox, Kind, From, Address, Subject string
	Note                                  string
}

func (h *handler) unfiled(w http.ResponseWriter, r *http.Request) {
	messages, err := h.o.Store.Unfiled(r.Context(), MaxUnfiled)
	if err != nil {
		h.fail(w, r, fmt.Errorf("read unfiled mail: %w", err))
		return
	}
	now := h.o.Now()
	p := unfiledPage{page: h.page("Correos sin radicado"), Full: len(messages) == MaxUnfiled, Max: MaxUnfiled}
	p.Here = "unfiled"
	for _, m := range messages {
		for _, f := range m.Filings {
			if !f.Ticket.IsZero() {
				continue
			}
			row := unfiledRow{
				Received: instantOf(f.ReceivedAt, now), Mailbox: f.Mailbox, Kind: dispositionWord(f.Disposition),
				From: line(m.Mail.From.Name, maxListCustomer), Address: line(m.Mail.From.Address, maxListCustomer),
				Subject: line(m.Mail.Subject, maxListSubject), Note: reasonWords(f.Reason),
			}
			if m.Mail.Bounce != nil {
				row.Note = strings.Join(bounceWords(m.Mail.Bounce), ", ")
			}
			p.Rows = append(p.Rows, row)
		}
	}
	h.render(w, r, okStatus, "unfiled", p)
}

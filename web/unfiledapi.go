package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"radicado/ticket"
)

// UnfiledList is the automatic mail kept without a ticket, the newest first.
type UnfiledList struct {
	Mails []UnfiledMail `json:"mails"` // at most 200 messages' filings
}

// UnfiledMail is one such mail in one mailbox.
type UnfiledMail struct {
	Mailbox     string             `json:"mailbox"`
	Disposition ticket.Disposition `json:"disposition"`
	ReceivedAt  time.Time          `json:"received_at"`
	From        ticket.Address     `json:"from"`
	Subject     string             `json:"subject"`
	Reason      string             `json:"reason"`
	Digest      ticket.Digest      `json:"sha256"`
}

// NewUnfiledList lists the filings without a ticket, in the messages' order.
func NewUnfiledList(messages []ticket.Message) UnfiledList {
	list := UnfiledList{Mails: []UnfiledMail{}}
	for _, m := range messages {
		for _, f := range m.Filings {
			if f.Ticket.IsZero() {
				list.Mails = append(list.Mails, UnfiledMail{
					Mailbox: f.Mailbox, Disposition: f.Disposition, ReceivedAt: f.ReceivedAt,
					From: m.Mail.From, Subject: m.Mail.Subject, Reason: f.Reason, Digest: m.Digest,
				})
			}
		}
	}
	return list
}

func (h *handler) apiUnfiled(w http.ResponseWriter, r *http.Request) {
	messages, err := h.o.Store.Unfiled(r.Context(), MaxUnfiled)
	if err != nil {
		h.fail(w, r, fmt.Errorf("read unfiled mail: %w", err))
		return
	}
	h.writeJSON(w, okStatus, NewUnfiledList(messages))
}

// Unfiled returns the newest automatic mails that are kept without a ticket.
func (c *Client) Unfiled(ctx context.Context) (UnfiledList, error) {
	var list UnfiledList
	err := c.do(ctx, http.MethodGet, "/api/v1/unfiled", nil, "", &list)
	return list, err
}

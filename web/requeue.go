package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"radicado/ticket"
)

// apiRequeue reads a quarantined ticket's original again and answers the ticket
// as it is then.
func (h *handler) apiRequeue(w http.ResponseWriter, r *http.Request) {
	n, err := ticket.ParseNumber(r.PathValue("number"))
	if err != nil || h.o.Requeue == nil {
		h.fail(w, r, errNoPage)
		return
	}
	by, err := actor(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if err := h.o.Requeue(r.Context(), n, by); err != nil {
		if errors.Is(err, ticket.ErrRequeue) {
			err = &problem{http.StatusConflict, shorten(err.Error(), 500), "El correo no se puede leer de nuevo."}
		}
		h.fail(w, r, fmt.Errorf("requeue ticket %s: %w", n, err))
		return
	}
	h.o.Logger.Info("ticket requeued", "ticket", n.String(), "actor", by.Name)
	h.apiTicket(w, r)
}

// Requeue asks that a quarantined ticket's original be read again, on behalf of
// actor, and returns the ticket as it is then. It needs the token.
func (c *Client) Requeue(ctx context.Context, n ticket.Number, actor string) (ticket.Detail, error) {
	var d ticket.Detail
	err := c.do(ctx, http.MethodPost, "/api/v1/tickets/"+n.String()+"/requeue", nil, actor, &d)
	return d, err
}

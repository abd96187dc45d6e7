package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"radicado/ticket"
	"radicado/web"
)

type requeueCmd struct {
	accessFlags
	Number string `arg:"" help:"Ticket number, YYYY-NNNNNN."`
	As     string `help:"Who asks for it; default is the login name."`
}

// Run reads the original of a quarantined ticket again.
func (c *requeueCmd) Run(ctx context.Context, a *App) error {
	n, err := ticket.ParseNumber(c.Number)
	if err != nil {
		return usageError{err}
	}
	t, err := a.actOn(ctx, c.accessFlags, n, c.As, func(d access, who string) (ticket.Detail, error) { return d.Requeue(ctx, n, who) })
	switch {
	case err != nil:
		return err
	case c.JSON:
		return writeJSON(a.Stdout, t.View)
	}
	fmt.Fprintf(a.Stdout, "%s left quarantine  %s, priority %d, %s, due %s\n", t.Number, t.Type, t.Priority, t.Status, t.Due.Format(shortTime))
	return nil
}

// Requeue reads the original again with the rules of the configuration.
func (l *localAccess) Requeue(ctx context.Context, n ticket.Number, actor string) (ticket.Detail, error) {
	p, err := l.desk.pipeline(l.store, l.app.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return ticket.Detail{}, err
	}
	if err := p.Requeue(ctx, n, ticket.Actor{Kind: ticket.ActorLead, Name: actor}); err != nil {
		return ticket.Detail{}, err
	}
	return l.store.Detail(ctx, n)
}

// Requeue asks the daemon. Its refusal is no wrong use of ours.
func (r remote) Requeue(ctx context.Context, n ticket.Number, actor string) (ticket.Detail, error) {
	d, err := r.Client.Requeue(ctx, n, actor)
	var refused *web.APIError
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return d, errors.New(refused.Sentence)
	}
	return d, err
}

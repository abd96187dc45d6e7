package main

import (
	"context"
	"errors"
	"fmt"

	"radicado/ticket"
)

type setCmd struct {
	accessFlags
	Number   string  `arg:"" help:"Ticket number, YYYY-NNNNNN."`
	Type     string  `help:"New type."`
	Term     string  `help:"New legal sub-type, such as peticion.documentos."`
	Priority string  `help:"New priority, 1 to 4."`
	Status   string  `help:"New status."`
	Assignee *string `help:"Who works on it; empty for nobody."`
	Review   *bool   `help:"Set the review flag, or clear it with --review=false."`
	Release  bool    `help:"Let it out of quarantine."`
	Reason   string  `help:"Why; needed for type, term, priority and release."`
	As       string  `help:"Who changes it; default is the login name."`
}

func (c *setCmd) change() (ticket.Change, error) {
	ch := ticket.Change{Assignee: c.Assignee, Review: c.Review, Release: c.Release, Reason: c.Reason}
	if c.Type != "" {
		v, err := ticket.ParseType(c.Type)
		if err != nil {
			return ch, err
		}
		ch.Type = &v
	}
	if c.Term != "" {
		v := ticket.TermCode(c.Term)
		ch.Term = &v
	}
	if c.Priority != "" {
		v, err := ticket.ParsePriority(c.Priority)
		if err != nil {
			return ch, err
		}
		ch.Priority = &v
	}
	if c.Status != "" {
		v, err := ticket.ParseStatus(c.Status)
		if err != nil {
			return ch, err
		}
		ch.Status = &v
	}
	if ch.Empty() {
		return ch, errors.New("nothing to change: want --type, --term, --priority, --status, --assignee, --review or --release")
	}
	return ch, nil
}

// Run changes one ticket.
func (c *setCmd) Run(ctx context.Context, a *App) error {
	n, err := ticket.ParseNumber(c.Number)
	if err != nil {
		return usageError{err}
	}
	change, err := c.change()
	if err != nil {
		return usageError{err}
	}
	t, err := a.actOn(ctx, c.accessFlags, n, c.As, func(d access, who string) (ticket.Detail, error) { return d.Change(ctx, n, change, who) })
	switch {
	case errors.Is(err, ticket.ErrNoReason), errors.Is(err, ticket.ErrTransition):
		return usageError{err}
	case err != nil:
		return err
	case c.JSON:
		return writeJSON(a.Stdout, t.View)
	}
	fmt.Fprintf(a.Stdout, "%s  %s, priority %d, %s, due %s\n", t.Number, t.Type, t.Priority, t.Status, t.Due.Format(shortTime))
	return nil
}

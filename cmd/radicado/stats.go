package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"radicado/ticket"
)

type statsCmd struct {
	accessFlags
}

// Run counts.
func (c *statsCmd) Run(ctx context.Context, a *App) error {
	d, err := a.reach(ctx, c.accessFlags, false)
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := d.Stats(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(a.Stdout, s)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "messages\t%d\ntickets\t%d\n  open\t%d\n  to review\t%d\n  quarantined\t%d\n", s.Messages, s.Tickets, s.Open, s.Review, s.Quarantined)
	for _, name := range slices.Sorted(maps.Keys(s.ByMailbox)) {
		m := s.ByMailbox[name]
		fmt.Fprintf(w, "mailbox %s\t%d messages\t%d tickets\n", name, m.Messages, m.Tickets)
	}
	for _, v := range ticket.Dispositions() {
		fmt.Fprintf(w, "disposition %s\t%d\n", v, s.ByDisposition[v])
	}
	for _, v := range ticket.Types() {
		fmt.Fprintf(w, "type %s\t%d\n", v, s.ByType[v])
	}
	for _, v := range ticket.Priorities() {
		fmt.Fprintf(w, "priority %d %s\t%d\n", v, v, s.ByPriority[fmt.Sprint(int(v))])
	}
	for _, v := range ticket.Statuses() {
		fmt.Fprintf(w, "status %s\t%d\n", v, s.ByStatus[v])
	}
	return w.Flush()
}

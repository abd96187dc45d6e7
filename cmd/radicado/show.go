package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"radicado/store"
	"radicado/ticket"
)

type showCmd struct {
	accessFlags
	Number string `arg:"" help:"Ticket number, YYYY-NNNNNN."`
}

// Run shows one ticket.
func (c *showCmd) Run(ctx context.Context, a *App) error {
	n, err := ticket.ParseNumber(c.Number)
	if err != nil {
		return usageError{err}
	}
	d, err := a.reach(ctx, c.accessFlags, false)
	if err != nil {
		return err
	}
	defer d.Close()
	t, err := d.Detail(ctx, n)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("ticket %s: %w", n, err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(a.Stdout, t)
	}
	printDetail(a.Stdout, t)
	return nil
}

func printDetail(w io.Writer, t ticket.Detail) {
	fmt.Fprintf(w, "%s  %s\n", t.Number, clip(t.Subject, 100))
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s %s\n", name, clip(fmt.Sprintf(format, args...), 120))
	}
	row("type", "%s (%s), priority %d %s, %s", t.Type, t.Term.Code, t.Priority, t.Priority, t.Status)
	row("customer", "%s", t.Customer)
	row("mailbox", "%s", t.Mailbox)
	row("received", "%s", t.ReceivedAt.Format(shortTime))
	row("filed", "%s", t.FiledOn)
	row("due", "%s (%d %s, %s)", t.Due.Format(shortTime), t.Term.Days, strings.ReplaceAll(t.Term.Unit, "_", " "), t.Term.Rule)
	if t.Assignee != "" {
		row("assignee", "%s", t.Assignee)
	}
	if t.Quarantine != "" {
		row("quarantine", "%s", t.Quarantine)
	}
	if t.Review {
		row("review", "a lead should confirm type and priority")
	}
	for _, l := range t.Links {
		row("link", "%s (%s)", l.Number, l.Kind)
	}
	fmt.Fprintf(w, "\nReasons (type %.0f%%, priority %.0f%%)\n", 100*t.Classification.TypeConfidence, 100*t.Classification.PriorityConfidence)
	for _, r := range t.Classification.Reasons {
		fmt.Fprintf(w, "  %+.1f  %s %s: %s\n", r.Weight, r.Source, r.Name, clip(r.Evidence, 80))
	}
	for i, m := range t.Thread {
		fmt.Fprintf(w, "\n[%d/%d] %s  %s  %s, %d bytes, sha256 %s\n", i+1, len(t.Thread), m.ReceivedAt.Format(shortTime),
			clip(m.Mail.From.String(), 80), m.Disposition, m.Size, m.Digest)
		for _, x := range m.Mail.Attachments {
			fmt.Fprintf(w, "  attached: %s  %s, %d bytes\n", clip(x.Filename, 60), clip(x.ContentType, 60), x.Size)
		}
		for _, x := range m.Mail.Warnings {
			fmt.Fprintf(w, "  warning: %s: %s\n", x.Code, clip(x.Detail, 100))
		}
		fmt.Fprintf(w, "\n%s\n", strings.TrimRight(printable(indent(m.Mail.NewText)), " \n"))
	}
	fmt.Fprintln(w, "\nHistory")
	for _, e := range t.Events {
		change := e.To
		if e.From != "" {
			change = e.From + " -> " + e.To
		}
		fmt.Fprintf(w, "  %s  %s %s: %s %s  %s\n", e.At.Format(shortTime), e.Actor.Kind, clip(e.Actor.Name, 40), e.Kind, clip(change, 60), clip(e.Reason, 100))
	}
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(s, "\n", "\n    ")
}

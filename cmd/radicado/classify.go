package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"radicado/ingest"
	"radicado/ticket"
)

type classifyCmd struct {
	Mailbox string   `required:"" help:"Mailbox where the mails arrived."`
	Files   []string `arg:"" name:"file" help:"Mails: .eml files, directories, Maildirs, mboxes; - is standard input."`
	Config  string   `help:"Configuration file." type:"path"`
	JSON    bool     `name:"json" help:"Print JSON, one object a mail; the default." xor:"format"`
	Table   bool     `help:"Print a table for people instead." xor:"format"`
}

// classified is one line of `radicado classify`.
type classified struct {
	File               string          `json:"file"`
	Type               ticket.Type     `json:"type"`
	TypeConfidence     float64         `json:"type_confidence"`
	Priority           ticket.Priority `json:"priority"`
	PriorityConfidence float64         `json:"priority_confidence"`
	Review             bool            `json:"review"`
	Term               ticket.Term     `json:"term"`
	Reasons            []ticket.Reason `json:"reasons"`
}

// Run classifies each mail as if it had just opened a ticket.
func (c *classifyCmd) Run(ctx context.Context, a *App) error {
	d, err := a.loadDesk(c.Config)
	if err != nil {
		return err
	}
	if err := d.mailbox(c.Mailbox); err != nil {
		return err
	}
	classifier, err := d.classifier()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	if c.Table {
		fmt.Fprintln(table, "FILE\tTYPE\tPRIORITY\tREVIEW\tDUE\tREASON")
	}
	err = a.eachMail(ctx, d, c.Files, func(file string, m *ticket.Mail) error {
		k := classifier.Classify(m, c.Mailbox)
		receivedAt, _ := ingest.ReceivedAt(time.Time{}, m, a.Now())
		deadline := d.calendar.Deadline(ticket.TermRequest{
			Mailbox: c.Mailbox, Code: k.Term, Type: k.Type, Priority: k.Priority,
			ReceivedAt: receivedAt,
		})
		if c.Table {
			why := ""
			if len(k.Reasons) > 0 {
				why = k.Reasons[0].Name + ": " + k.Reasons[0].Evidence
			}
			_, err := fmt.Fprintf(table, "%s\t%s %.0f%%\t%d %.0f%%\t%s\t%s\t%s\n", file, k.Type, 100*k.TypeConfidence,
				k.Priority, 100*k.PriorityConfidence, mark(k.Review), deadline.Due.In(ticket.Bogota).Format(shortTime), clip(why, 60))
			return err
		}
		return writeJSON(a.Stdout, classified{file, k.Type, k.TypeConfidence, k.Priority, k.PriorityConfidence, k.Review, deadline.Term, k.Reasons})
	})
	if c.Table {
		table.Flush()
	}
	return err
}

package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"

	"radicado/ticket"
)

type queueCmd struct {
	accessFlags
	Status      string `help:"Only these statuses, separated by commas."`
	Type        string `help:"Only these types, separated by commas."`
	Priority    string `help:"Only these priorities, separated by commas."`
	Mailbox     string `help:"Only this mailbox."`
	Due         string `help:"today, tomorrow, overdue, or a day YYYY-MM-DD: due by then."`
	Assignee    string `help:"Only this person's; none for nobody's."`
	Text        string `help:"Only with this in number, subject or customer; case and accents do not matter."`
	Review      bool   `help:"Only tickets that a lead should confirm."`
	Quarantined bool   `help:"Only tickets in quarantine."`
	Unfiled     bool   `help:"List the newest automatic mails that are kept without a ticket instead; takes no filter."`
	Sort        string `help:"queue (the most urgent first), due, or number (the newest first)." default:"queue"`
	Limit       int    `help:"At most this many; 0 for all." default:"100"`
}

func (c *queueCmd) query() url.Values {
	q := url.Values{}
	for k, v := range map[string]string{
		"status": c.Status, "type": c.Type, "priority": c.Priority, "mailbox": c.Mailbox, "due": c.Due,
		"assignee": c.Assignee, "text": c.Text, "sort": c.Sort,
	} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if c.Review {
		q.Set("review", "true")
	}
	if c.Quarantined {
		q.Set("quarantined", "true")
	}
	return q
}

// queuePage is how many tickets are asked for at a time.
const queuePage = 500

// Run lists tickets.
func (c *queueCmd) Run(ctx context.Context, a *App) error {
	if c.Limit < 0 {
		return usageError{fmt.Errorf("--limit %d: want 0 or more", c.Limit)}
	}
	d, err := a.reach(ctx, c.accessFlags, false)
	if err != nil {
		return err
	}
	defer d.Close()
	if c.Unfiled {
		return c.unfiled(ctx, a, d)
	}
	table := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	shown := 0
	err = eachTicket(ctx, d, c.query(), c.Limit, func(v ticket.View) error {
		shown++
		if c.JSON {
			return writeJSON(a.Stdout, v)
		}
		if shown == 1 {
			fmt.Fprintln(table, "NUMBER\tP\tTYPE\tSTATUS\tMAILBOX\tDUE\tFLAGS\tASSIGNEE\tCUSTOMER\tSUBJECT")
		}
		flags := ""
		if v.Quarantine != "" {
			flags += "Q"
		}
		if v.Review {
			flags += "R"
		}
		_, err := fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Number, v.Priority, v.Type, v.Status, v.Mailbox,
			v.Due.Format(shortTime), flags, clip(v.Assignee, 16), clip(v.Customer.Address, 32), clip(v.Subject, 50))
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return nil
	}
	if shown == 0 {
		fmt.Fprintln(a.Stderr, "no tickets")
	}
	return table.Flush()
}

// unfiled lists automatic mail that belongs to no ticket.
func (c *queueCmd) unfiled(ctx context.Context, a *App, d access) error {
	list, err := d.Unfiled(ctx)
	if err != nil {
		return err
	}
	if c.Limit > 0 && len(list.Mails) > c.Limit {
		list.Mails = list.Mails[:c.Limit]
	}
	if c.JSON {
		for _, m := range list.Mails {
			if err := writeJSON(a.Stdout, m); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list.Mails) == 0 {
		fmt.Fprintln(a.Stderr, "no mail without a ticket")
		return nil
	}
	table := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RECEIVED\tMAILBOX\tKIND\tFROM\tSUBJECT")
	for _, m := range list.Mails {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", m.ReceivedAt.In(ticket.Bogota).Format(shortTime), m.Mailbox, m.Disposition, clip(m.From.Address, 32), clip(m.Subject, 50))
	}
	return table.Flush()
}

// eachTicket asks for page after page; limit 0 means all.
func eachTicket(ctx context.Context, d access, q url.Values, limit int, fn func(ticket.View) error) error {
	for n := 0; ; {
		page := queuePage
		if limit > 0 {
			page = min(page, limit-n)
		}
		q.Set("limit", strconv.Itoa(page))
		views, next, err := d.Tickets(ctx, q)
		if err != nil {
			return err
		}
		for _, v := range views {
			if err := fn(v); err != nil {
				return err
			}
			n++
		}
		if next == "" || limit > 0 && n >= limit {
			return nil
		}
		q.Set("after", next)
	}
}

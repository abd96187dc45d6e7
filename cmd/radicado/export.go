package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"radicado/ticket"
)

type exportCmd struct {
	accessFlags
	Format string `enum:"csv,ndjson,eml" default:"ndjson" help:"csv: a line a ticket; ndjson: a ticket a line with messages and history; eml: the original mails, byte for byte."`
	Out    string `help:"File for csv and ndjson, default standard output; directory for eml." type:"path"`
}

// Run writes all tickets in the order of their numbers.
func (c *exportCmd) Run(ctx context.Context, a *App) (err error) {
	if c.Format == "eml" && c.Out == "" {
		return usageError{errors.New("export --format eml: want a directory by --out")}
	}
	d, err := a.reach(ctx, c.accessFlags, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if c.Format == "eml" {
		return exportOriginals(ctx, d, c.Out, a.Stderr)
	}
	out := a.Stdout
	if c.Out != "" {
		f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	if c.Format == "csv" {
		return exportCSV(ctx, d, out)
	}
	return eachDetail(ctx, d, func(t ticket.Detail) error { return writeJSON(out, t) })
}

// eachDetail calls fn for every ticket, in the order of numbers.
func eachDetail(ctx context.Context, d access, fn func(ticket.Detail) error) error {
	var numbers []ticket.Number
	err := eachTicket(ctx, d, url.Values{"sort": {"number"}}, 0, func(v ticket.View) error {
		numbers = append(numbers, v.Number)
		return nil
	})
	if err != nil {
		return err
	}
	for i := len(numbers) - 1; i >= 0; i-- {
		t, err := d.Detail(ctx, numbers[i])
		if err != nil {
			return fmt.Errorf("ticket %s: %w", numbers[i], err)
		}
		if err := fn(t); err != nil {
			return err
		}
	}
	return nil
}

var csvHeader = []string{
	"number", "mailbox", "type", "priority", "status", "term", "received_at", "filed_on", "due", "closed_at", "customer_name",
	"customer_address", "subject", "assignee", "review", "quarantine", "messages", "attachments", "links",
}

func exportCSV(ctx context.Context, d access, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(csvHeader); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	err := eachDetail(ctx, d, func(t ticket.Detail) error {
		closed := ""
		if t.ClosedAt != nil {
			closed = t.ClosedAt.Format(time.RFC3339)
		}
		links := make([]string, len(t.Links))
		for i, l := range t.Links {
			links[i] = l.Number.String()
		}
		return out.Write([]string{
			t.Number.String(), cell(t.Mailbox), string(t.Type), strconv.Itoa(int(t.Priority)), string(t.Status), string(t.Term.Code),
			t.ReceivedAt.Format(time.RFC3339), string(t.FiledOn), t.Due.Format(time.RFC3339), closed, cell(t.Customer.Name),
			cell(t.Customer.Address), cell(t.Subject), cell(t.Assignee), strconv.FormatBool(t.Review), cell(t.Quarantine),
			strconv.Itoa(t.Messages), strconv.Itoa(t.Attachments), strings.Join(links, " "),
		})
	})
	out.Flush()
	if err := errors.Join(err, out.Error()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// cell defuses a text of outside that a spreadsheet would run as a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// exportOriginals writes NUMBER-NN.eml, NN counting the messages of a ticket.
// No part of a name comes from the mail.
func exportOriginals(ctx context.Context, d access, dir string, log io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	written := 0
	err := eachDetail(ctx, d, func(t ticket.Detail) error {
		for i, m := range t.Thread {
			name := filepath.Join(dir, fmt.Sprintf("%s-%02d.eml", t.Number, i+1))
			if err := exportOriginal(ctx, d, m.Digest, name); err != nil {
				return fmt.Errorf("original %d of ticket %s: %w", i+1, t.Number, err)
			}
			written++
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%d mails written to %s\n", written, dir)
	return nil
}

func exportOriginal(ctx context.Context, d access, digest ticket.Digest, name string) (err error) {
	r, err := d.Original(ctx, digest)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}

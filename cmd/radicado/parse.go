package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"radicado/ingest/files"
	"radicado/ingest/mime"
	"radicado/ticket"
)

type parseCmd struct {
	Files  []string `arg:"" name:"file" help:"Mails: .eml files, directories, Maildirs, mboxes; - is standard input."`
	Config string   `help:"Configuration file." type:"path"`
	JSON   bool     `name:"json" help:"Print JSON; it always does."`
}

// parsed is one line of `radicado parse`.
type parsed struct {
	File string `json:"file"`
	*ticket.Mail
}

// Run prints one JSON object a mail, also for garbage.
func (c *parseCmd) Run(ctx context.Context, a *App) error {
	d, err := a.loadDesk(c.Config)
	if err != nil {
		return err
	}
	return a.eachMail(ctx, d, c.Files, func(file string, m *ticket.Mail) error {
		return writeJSON(a.Stdout, parsed{file, m})
	})
}

// eachMail parses every mail below the paths. Inputs that cannot be read are
// named on stderr and make it return errReported in the end.
func (a *App) eachMail(ctx context.Context, d *desk, paths []string, fn func(file string, m *ticket.Mail) error) error {
	in := a.open(paths)
	defer in.Close()
	err := in.Each(ctx, func(ctx context.Context, f files.File) error {
		r, err := f.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		o := d.mime()
		o.Reopen = f.Open
		m, err := mime.Parse(r, o)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Path, err)
		}
		return fn(f.Path, m)
	})
	return a.inputs(err)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

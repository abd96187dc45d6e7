package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"radicado/store"
)

type checkCmd struct {
	DB     string `name:"db" help:"Database file; default is the configuration's." type:"path"`
	Config string `help:"Configuration file." type:"path"`
	Repair bool   `help:"Rebuild indexes and counters from the records first."`
	JSON   bool   `name:"json" help:"Print JSON, one problem a line."`
}

// Run verifies the store. Problems make it fail.
func (c *checkCmd) Run(ctx context.Context, a *App) (err error) {
	d, err := a.loadDesk(c.Config)
	if err != nil {
		return err
	}
	path := d.config.Store.Path
	if c.DB != "" {
		path = c.DB
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s, err := store.Open(path, store.Options{ReadOnly: !c.Repair, Now: a.Now})
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if c.Repair {
		if err := s.Repair(ctx); err != nil {
			return fmt.Errorf("repair %s: %w", path, err)
		}
	}
	problems, err := s.Check(ctx)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	for _, p := range problems {
		if c.JSON {
			if err := writeJSON(a.Stdout, p); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.Stdout, "%s %s: %s\n", p.Bucket, p.Key, p.What)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems in %s", len(problems), path)
	}
	if !c.JSON {
		fmt.Fprintln(a.Stdout, "sound")
	}
	return nil
}

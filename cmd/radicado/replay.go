package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"radicado/ingest"
	"radicado/ingest/files"
	"radicado/store"
	"radicado/ticket"
)

type replayCmd struct {
	DB       string   `name:"db" help:"Database file, made if missing; default is the configuration's." type:"path"`
	Mailbox  string   `required:"" help:"Mailbox in which the mails are taken to have arrived."`
	Received string   `enum:"header,now" default:"header" help:"Receipt time: the mail's topmost Received field (header), or now."`
	JSON     bool     `name:"json" help:"Print a JSON object a mail; the summary goes to stderr."`
	Config   string   `help:"Configuration file." type:"path"`
	Paths    []string `arg:"" name:"path" help:"Mails: .eml files, directories, Maildirs, mboxes; - is standard input."`
}

// replayed is one line of `radicado replay --json`.
type replayed struct {
	File        string             `json:"file"`
	Disposition ticket.Disposition `json:"disposition"`
	Ticket      ticket.Number      `json:"ticket"`
	Type        ticket.Type        `json:"type"`
	Priority    ticket.Priority    `json:"priority"`
	Status      ticket.Status      `json:"status"`
	Review      bool               `json:"review"`
	Quarantine  string             `json:"quarantine"`
	Due         string             `json:"due"` // RFC 3339 in Bogotá's offset, "" without a ticket
}

func newReplayed(file string, r ingest.Result) replayed {
	l := replayed{
		File: file, Disposition: r.Disposition, Ticket: r.Ticket.Number, Type: r.Ticket.Type, Priority: r.Ticket.Priority,
		Status: r.Ticket.Status, Review: r.Ticket.Review, Quarantine: r.Ticket.Quarantine,
	}
	if !l.Ticket.IsZero() {
		l.Due = r.Ticket.Due.In(ticket.Bogota).Format(time.RFC3339)
	}
	return l
}

// Run files every mail below the paths. Doing it twice changes nothing.
func (c *replayCmd) Run(ctx context.Context, a *App) (err error) {
	d, err := a.loadDesk(c.Config)
	if err != nil {
		return err
	}
	if err := d.mailbox(c.Mailbox); err != nil {
		return err
	}
	path := d.config.Store.Path
	if c.DB != "" {
		path = c.DB
	}
	s, err := store.Open(path, store.Options{Now: a.Now})
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	p, err := d.pipeline(s, a.Now, nil)
	if err != nil {
		return err
	}
	in := a.open(c.Paths)
	defer in.Close()
	bar, err := a.progress(ctx, in)
	if err != nil {
		return err
	}
	sum := summary{byDisposition: map[ticket.Disposition]int{}, started: time.Now()}
	o := replayOptions{mailbox: c.Mailbox}
	if c.Received == "now" {
		o.receivedAt = a.Now()
	}
	err = replay(ctx, p, in, o, func(f files.File, r ingest.Result) error {
		sum.add(f, r)
		bar.add(f)
		if c.JSON {
			return writeJSON(a.Stdout, newReplayed(f.Path, r))
		}
		return nil
	})
	bar.finish()
	out := a.Stdout
	if c.JSON {
		out = a.Stderr
	}
	sum.print(out)
	return a.inputs(err)
}

type replayOptions struct {
	mailbox    string
	receivedAt time.Time // zero: the mail's own
	workers    int       // 0: one a core
}

// replay files mails in the order of the input while several are read and
// parsed at once. It calls done for each, in that order, once it is on disk.
func replay(ctx context.Context, p *ingest.Pipeline, in *files.Files, o replayOptions, done func(files.File, ingest.Result) error) error {
	if o.workers == 0 {
		o.workers = runtime.GOMAXPROCS(0)
	}
	type slot struct {
		file   files.File
		staged chan *ingest.Staged // closed without a value if reading failed
		err    error               // written before staged is closed
	}
	type waiting struct {
		file    files.File
		pending ingest.Pending
	}
	var failed unreadable
	g, ctx := errgroup.WithContext(ctx)
	jobs := make(chan *slot)
	order := make(chan *slot, 2*o.workers)
	commits := make(chan waiting, 512)

	g.Go(func() error {
		defer close(jobs)
		defer close(order)
		err := in.Each(ctx, func(ctx context.Context, f files.File) error {
			s := &slot{file: f, staged: make(chan *ingest.Staged, 1)}
			for _, to := range []chan *slot{order, jobs} {
				select {
				case to <- s:
				case <-ctx.Done():
					close(s.staged)
					return ctx.Err()
				}
			}
			return nil
		})
		return failed.collect(err)
	})
	for range o.workers {
		g.Go(func() error {
			for s := range jobs {
				staged, err := stageFile(ctx, p, s.file, o)
				if err != nil {
					s.err = err
				} else {
					s.staged <- staged
				}
				close(s.staged)
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(commits)
		for s := range order {
			var staged *ingest.Staged
			select {
			case staged = <-s.staged:
			case <-ctx.Done():
				return ctx.Err()
			}
			if staged == nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := failed.collect(s.err); err != nil {
					return err
				}
				continue
			}
			pending, err := p.Commit(ctx, staged)
			if err != nil {
				return err
			}
			select {
			case commits <- waiting{s.file, pending}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for w := range commits {
			r, err := w.pending.Wait(ctx)
			if err != nil {
				return err
			}
			if err := done(w.file, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if len(failed.errors) > 0 {
		return failed.errors
	}
	return nil
}

// unreadable collects the inputs that could not be read.
type unreadable struct {
	mu     sync.Mutex
	errors files.Errors
}

// collect keeps errors of inputs and returns any other error.
func (u *unreadable) collect(err error) error {
	var list files.Errors
	var single *files.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &list):
	case errors.As(err, &single):
		list = files.Errors{single}
	default:
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.errors = append(u.errors, list...)
	return nil
}

func stageFile(ctx context.Context, p *ingest.Pipeline, f files.File, o replayOptions) (*ingest.Staged, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return p.Stage(ctx, ingest.Mail{
		Origin:     ticket.Origin{Mailbox: o.mailbox, Path: f.Path},
		ReceivedAt: o.receivedAt,
		Body:       r,
	})
}

// summary counts a replay.
type summary struct {
	mails         int
	bytes         int64
	repeated      int
	byDisposition map[ticket.Disposition]int
	started       time.Time
}

func (s *summary) add(f files.File, r ingest.Result) {
	s.mails++
	s.bytes += max(f.Size, 0)
	s.byDisposition[r.Disposition]++
	if r.Repeated {
		s.repeated++
	}
}

func (s *summary) print(w io.Writer) {
	took := time.Since(s.started)
	fmt.Fprintf(w, "%d mails, %.1f MB in %.1f s (%.0f mails/s, %.1f MB/s)\n", s.mails, float64(s.bytes)/1e6,
		took.Seconds(), float64(s.mails)/took.Seconds(), float64(s.bytes)/1e6/took.Seconds())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, d := range ticket.Dispositions() {
		if n := s.byDisposition[d]; n > 0 {
			fmt.Fprintf(table, "%s\t%d\t\n", d, n)
		}
	}
	table.Flush()
	if s.repeated == s.mails {
		fmt.Fprintln(w, "nothing changed: every mail was filed before")
	}
}

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	bar *progressbar.ProgressBar
}

func (a *App) progress(ctx context.Context, in *files.Files) (*progress, error) {
	f, ok := a.Stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}, nil
	}
	n, _, err := in.Count(ctx)
	if err != nil {
		// The replay itself names what cannot be read.
		n = -1
	}
	return &progress{bar: progressbar.NewOptions(n,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("filing"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("mails"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	)}, nil
}

func (p *progress) add(files.File) {
	if p.bar != nil {
		p.bar.Add(1)
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Finish()
	}
}

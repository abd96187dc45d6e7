package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"radicado/calendar"
	"radicado/classify"
	"radicado/ingest"
	"radicado/ingest/mime"
	"radicado/store"
	"radicado/ticket"
)

// desk is what the configuration makes of the packages.
type desk struct {
	config    Config
	calendar  *calendar.Calendar
	petitions []string // mailboxes with the hours of the desk of petitions
}

// loadDesk reads the configuration and builds what needs no database. Warnings
// go to stderr.
func (a *App) loadDesk(configPath string) (*desk, error) {
	c, warnings, err := loadConfig(configPath)
	if err != nil {
		return nil, usageError{err}
	}
	for _, w := range warnings {
		fmt.Fprintf(a.Stderr, "radicado: warning: %s: %s\n", configPath, w)
	}
	return newDesk(c)
}

func newDesk(c Config) (*desk, error) {
	d := &desk{config: c}
	o := calendar.Options{Desks: map[string]calendar.Desk{}, Terms: map[ticket.TermCode]calendar.Rule{}}
	for _, m := range c.Mailbox {
		hours, err := calendar.ParseDesk(m.Calendar)
		if err != nil {
			return nil, usageError{fmt.Errorf("mailbox %s: %w", m.Name, err)}
		}
		o.Desks[m.Name] = hours
		if hours == calendar.DeskPQRSA() {
			d.petitions = append(d.petitions, m.Name)
		}
	}
	for _, day := range c.Calendar.Closed {
		o.Closed = append(o.Closed, calendar.ClosedDay{Date: ticket.Date(day.Date), Reason: day.Reason})
	}
	for _, t := range c.Calendar.Term {
		o.Terms[ticket.TermCode(t.Code)] = calendar.Rule{Days: t.Days, Unit: ticket.UnitBusinessDays, Rule: t.Rule}
	}
	var err error
	if d.calendar, err = calendar.New(o); err != nil {
		return nil, usageError{fmt.Errorf("calendar: %w", err)}
	}
	return d, nil
}

// classifier loads the rules. Only what classifies asks for them: they take
// longer to load than most commands to run.
func (d *desk) classifier() (*classify.Classifier, error) {
	c, err := loadClassifier(d.config.Classify.Rules)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func loadClassifier(path string) (*classify.Classifier, error) {
	if path == "" {
		return classify.Default()
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open rules: %w", err)
	}
	defer f.Close()
	c, err := classify.Load(f)
	if err != nil {
		return nil, fmt.Errorf("rules %s: %w", path, err)
	}
	return c, nil
}

// mailbox checks a --mailbox flag.
func (d *desk) mailbox(name string) error {
	var names []string
	for _, m := range d.config.Mailbox {
		names = append(names, m.Name)
	}
	if !slices.Contains(names, name) {
		return usageError{fmt.Errorf("mailbox %q: want one of %s", name, join(names))}
	}
	return nil
}

// maxMail is the limit in bytes.
func (c IngestConfig) maxMail() int64 { return int64(c.MaxMailMiB) << 20 }

func (d *desk) mime() mime.Options {
	return mime.Options{AuthservID: d.config.Ingest.AuthservID}
}

func (d *desk) pipeline(s *store.Store, now func() time.Time, log *slog.Logger) (*ingest.Pipeline, error) {
	return d.observedPipeline(s, now, log, nil)
}

// observedPipeline is a pipeline that tells of each mail it has filed.
func (d *desk) observedPipeline(s *store.Store, now func() time.Time, log *slog.Logger, filed func(ingest.Filed)) (*ingest.Pipeline, error) {
	c, err := d.classifier()
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Options{
		Store:         s,
		Classifier:    c,
		Terms:         d.calendar.Deadline,
		Mime:          d.mime(),
		ReopenWithin:  time.Duration(d.config.Ingest.ReopenDays) * 24 * time.Hour,
		OneTicket:     d.config.Ingest.SameMail == sameMailOne,
		Petitions:     d.petitions,
		SharedDomains: d.config.Ingest.SharedDomains,
		MaxMail:       d.config.Ingest.maxMail(),
		MemoryBytes:   int64(d.config.Ingest.MemoryMiB) << 20,
		Now:           now,
		Logger:        log,
		OnFiled:       filed,
	})
}

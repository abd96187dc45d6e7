// Package calendar reckons Colombian business time: holidays from the rules of
// the law, the day on which a mail counts as filed, and when a term ends.
//
// Business days are Monday to Friday less holidays and the closed days of the
// configuration. Three things are kept apart: when a mail was received, the
// legal day on which it was filed, and the day on which its term is due. Days
// are those of Bogotá, see [ticket.Bogota].
//
// Dates outside the years 1 to 9999 are taken as the nearest date inside, so
// that a mail with an absurd date is reckoned like any other.
package calendar

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"radicado/ticket"
)

// Options are what an operator may set. The zero value is valid: every mailbox
// is open at all hours and all terms are the defaults.
type Options struct {
	Desks   map[string]Desk          // by mailbox; a mailbox not named is [Desk24x7]
	Closed  []ClosedDay              // closed besides weekends and holidays; a day may stand once
	Terms   map[ticket.TermCode]Rule // in place of [DefaultTerms]; incidente and requerimiento have Targets
	Targets map[ticket.Priority]Rule // in place of [DefaultTargets]
}

// ClosedDay is a day on which the desk does not work though the law lets it.
type ClosedDay struct {
	Date   ticket.Date
	Reason string // must not be empty: leads are told why a term is longer
}

// Calendar reckons days and terms. It never changes after [New] and is safe for
// concurrent use.
type Calendar struct {
	desks   map[string]Desk
	closed  map[day]bool
	terms   map[ticket.TermCode]Rule
	targets map[ticket.Priority]Rule
	years   []year // tableFirst to tableLast
	version string
}

// New makes a calendar. It fails on desks, closed days or terms that make no
// sense, and names the one at fault.
func New(o Options) (*Calendar, error) {
	c := &Calendar{desks: maps.Clone(o.Desks), closed: map[day]bool{}, terms: DefaultTerms(), targets: DefaultTargets()}
	for name, d := range o.Desks {
		if err := d.validate(); err != nil {
			return nil, fmt.Errorf("desk of mailbox %q: %w", name, err)
		}
	}
	for _, closed := range o.Closed {
		d, ok := parseDay(closed.Date)
		if !ok {
			return nil, fmt.Errorf("closed day %q: want YYYY-MM-DD", closed.Date)
		}
		if strings.TrimSpace(closed.Reason) == "" {
			return nil, fmt.Errorf("closed day %s: want the reason", closed.Date)
		}
		if c.closed[d] {
			return nil, fmt.Errorf("closed day %s: given twice", closed.Date)
		}
		c.closed[d] = true
	}
	for code, r := range o.Terms {
		standard, ok := c.terms[code]
		if !ok {
			return nil, fmt.Errorf("term %q: want one of %s", code, codes(c.terms))
		}
		r, err := r.over(standard)
		if err != nil {
			return nil, fmt.Errorf("term %s: %w", code, err)
		}
		c.terms[code] = r
	}
	for p, r := range o.Targets {
		if !p.Valid() {
			return nil, fmt.Errorf("target of priority %d: want 1 to 4", int(p))
		}
		r, err := r.over(c.targets[p])
		if err != nil {
			return nil, fmt.Errorf("target of priority %d: %w", int(p), err)
		}
		c.targets[p] = r
	}
	c.years = make([]year, 0, tableLast-tableFirst+1)
	for y := tableFirst; y <= tableLast; y++ {
		c.years = append(c.years, c.reckon(y))
	}
	c.version = c.fingerprint()
	return c, nil
}

// Version identifies the rules: calendars that reckon alike have the same one,
// whatever release of the program made them. It is kept with every deadline, so
// that a later law or closed day is seen as what changed it.
func (c *Calendar) Version() string { return c.version }

func (c *Calendar) fingerprint() string {
	h := sha256.New()
	for y := tableFirst; y <= tableLast; y++ {
		for _, holiday := range Holidays(y) {
			fmt.Fprintln(h, "holiday", holiday.Date)
		}
	}
	for _, d := range slices.Sorted(maps.Keys(c.closed)) {
		fmt.Fprintln(h, "closed", d.date())
	}
	for _, name := range slices.Sorted(maps.Keys(c.desks)) {
		if d := c.desks[name]; d != Desk24x7() {
			fmt.Fprintf(h, "desk %q %+v\n", name, d)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(c.terms)) {
		fmt.Fprintln(h, "term", code, c.terms[code])
	}
	for _, p := range slices.Sorted(maps.Keys(c.targets)) {
		fmt.Fprintln(h, "target", int(p), c.targets[p])
	}
	return "co-" + hex.EncodeToString(h.Sum(nil)[:6])
}

// Business reports whether the desk works on d. It is false for what is no date.
func (c *Calendar) Business(d ticket.Date) bool {
	n, ok := parseDay(d)
	if !ok {
		return false
	}
	y := c.year(n.year())
	return y.open(n)
}

// AddBusinessDays returns the n-th business day after d, which need not be one
// itself; for negative n the -n-th before d; for 0 d as it is. It stops at the
// first and last business day of the years 1 to 9999, and returns "" where d is
// no date.
func (c *Calendar) AddBusinessDays(d ticket.Date, n int) ticket.Date {
	from, ok := parseDay(d)
	if !ok {
		return ""
	}
	return c.add(from, n).date()
}

// BusinessDaysBetween counts the business days after a up to and including b;
// they are negative if b is before a. For n >= 0 it is the n by which
// [Calendar.AddBusinessDays] comes from a to b. It is 0 where a or b is no date.
func (c *Calendar) BusinessDaysBetween(a, b ticket.Date) int {
	from, ok := parseDay(a)
	if !ok {
		return 0
	}
	to, ok := parseDay(b)
	if !ok {
		return 0
	}
	if to < from {
		return -c.between(to, from)
	}
	return c.between(from, to)
}

// FiledOn returns the legal day on which a mail that reached the mailbox at
// receivedAt counts as filed: that day if it is a business day and the hour is
// before the desk's cutoff, else the next business day.
func (c *Calendar) FiledOn(mailbox string, receivedAt time.Time) ticket.Date {
	return c.filed(c.desk(mailbox), clamp(receivedAt)).date()
}

func (c *Calendar) filed(desk Desk, at time.Time) day {
	d := dayOf(at)
	if y := c.year(d.year()); y.open(d) && sinceMidnight(at) < desk.Cutoff {
		return d
	}
	return c.add(d, 1)
}

func (c *Calendar) desk(mailbox string) Desk {
	if d, ok := c.desks[mailbox]; ok {
		return d
	}
	return Desk24x7()
}

// OpenAt reports whether people attend the mailbox at that instant.
func (c *Calendar) OpenAt(mailbox string, at time.Time) bool {
	desk, at := c.desk(mailbox), clamp(at)
	if desk.AlwaysOpen {
		return true
	}
	d, hour := dayOf(at), sinceMidnight(at)
	y := c.year(d.year())
	return y.open(d) && hour >= desk.Opens && hour < desk.Closes
}

// NextOpening returns when people next attend the mailbox, which is the instant
// itself while they do.
func (c *Calendar) NextOpening(mailbox string, at time.Time) time.Time {
	if c.OpenAt(mailbox, at) {
		return at
	}
	desk, at := c.desk(mailbox), clamp(at)
	d := dayOf(at)
	if y := c.year(d.year()); !y.open(d) || sinceMidnight(at) >= desk.Opens {
		d = c.add(d, 1)
	}
	return d.at(desk.Opens)
}

package web

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// refreshSeconds is how often the first page without filters asks again.
const refreshSeconds = 15

// The lengths of words in the list, in runes.
const (
	maxListSubject  = 140
	maxListCustomer = 60
)

// page is what the layout of every page shows.
type page struct {
	Title   string
	Version string
	Now     string
	Refresh int // seconds, 0 for never
	Here    string
}

func (h *handler) page(title string) page {
	now := h.o.Now()
	return page{Title: title, Version: h.o.Version, Now: dateWords(now, now)}
}

// queuePage is the page of the queue.
type queuePage struct {
	page
	Tallies  []tally
	Troubles []string // mailboxes that take no mail
	Form     filterForm
	Rows     []queueRow
	Filtered bool
	First    string // address of the first page, "" on it
	Next     string // address of the next page, "" on the last
	Phone    string
	Order    string // how the list is sorted
}

// tally is a count in the header, with the list that it counts.
type tally struct {
	Label, Count, Href, Class string
	Current                   bool
}

// instant is a time for a person and for a program.
type instant struct {
	ISO, Words string
}

func instantOf(t, now time.Time) instant {
	return instant{ISO: t.In(ticket.Bogota).Format(time.RFC3339), Words: dateWords(t, now)}
}

// queueRow is a ticket in the list.
type queueRow struct {
	Number, Subject, Customer, Address, Mailbox, Assignee string
	Priority                                              int
	PriorityWord, Type, Status                            string
	Open, Critical, Review, Quarantined                   bool
	Received, Due                                         instant
	DueWords, DueClass                                    string
	Messages, Attachments                                 int
}

// filterForm is the form above the list.
type filterForm struct {
	More bool // a field besides the text is in use; else a phone hides them

	Text                                 string
	Status, Type, Priority, Mailbox, Due []choice
	Review, Quarantined                  bool
	Kept                                 []keptValue // given by hand, without a field of their own
}

type choice struct {
	Value, Label string
	Selected     bool
}

type keptValue struct{ Name, Value string }

func (h *handler) queue(w http.ResponseWriter, r *http.Request) {
	tickets, err := h.tickets(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	stats, err := h.o.Store.Stats(r.Context())
	if err != nil {
		h.fail(w, r, fmt.Errorf("read stats: %w", err))
		return
	}
	now := h.o.Now()
	given := givenValues(r.URL.Query())
	p := queuePage{
		page:     h.page("Radicados"),
		Tallies:  tallies(stats, given),
		Form:     h.form(given, stats),
		Filtered: len(withoutAfter(given)) > 0,
		Phone:    h.o.CriticalPhone,
		Order:    orderWords(given.Get("sort")),
	}
	p.Here = "queue"
	if len(given) == 0 {
		p.Refresh = refreshSeconds
	}
	for _, m := range h.mailboxHealth() {
		if !m.Connected {
			p.Troubles = append(p.Troubles, troubleWords(m, now))
		}
	}
	for i := range tickets.Tickets {
		p.Rows = append(p.Rows, rowOf(&tickets.Tickets[i], now))
	}
	if given.Has("after") {
		p.First = address(withoutAfter(given))
	}
	if tickets.Next != "" {
		next := withoutAfter(given)
		next.Set("after", tickets.Next)
		p.Next = address(next)
	}
	h.render(w, r, okStatus, "queue", p)
}

func orderWords(sort string) string {
	switch sort {
	case "due":
		return "los que vencen antes primero"
	case "number":
		return "los más nuevos primero"
	}
	return "los más urgentes primero"
}

func rowOf(t *ticket.Ticket, now time.Time) queueRow {
	row := queueRow{
		Number: t.Number.String(), Subject: line(t.Subject, maxListSubject), Mailbox: t.Mailbox, Assignee: line(t.Assignee, maxListCustomer),
		Customer: line(t.Customer.Name, maxListCustomer), Address: line(t.Customer.Address, maxListCustomer),
		Priority: int(t.Priority), PriorityWord: t.Priority.String(), Type: typeWord(t.Type), Status: string(t.Status),
		Open: t.Status.Open(), Critical: t.Priority == ticket.Critica && t.Status.Open(),
		Review: t.Review, Quarantined: t.Quarantine != "",
		Received: instantOf(t.ReceivedAt, now), Due: instantOf(t.Due, now),
		Messages: t.Messages, Attachments: t.Attachments,
	}
	if row.Open { // what is done is not late
		row.DueWords, row.DueClass = dueWords(t.Due, now), dueClass(t.Due, now)
	}
	return row
}

func troubleWords(m MailboxHealth, now time.Time) string {
	s := "El buzón " + m.Mailbox + " no está recibiendo correo"
	if !m.Since.IsZero() {
		s += " desde " + dateWords(m.Since, now)
	}
	if m.Error != "" {
		s += ": " + line(m.Error, 200)
	}
	return s
}

func tallies(s store.Stats, given url.Values) []tally {
	open := join(openStatuses())
	open = strings.ReplaceAll(open, ", ", ",")
	list := []tally{
		{Label: "por atender", Count: thousands(s.Open), Href: address(url.Values{"status": {open}})},
		{Label: "por revisar", Count: thousands(s.Review), Href: address(url.Values{"review": {"true"}}), Class: "review"},
		{Label: "en cuarentena", Count: thousands(s.Quarantined), Href: address(url.Values{"quarantined": {"true"}}), Class: "quarantine"},
		{Label: "radicados", Count: thousands(s.Tickets), Href: "/"},
	}
	here := address(withoutAfter(given))
	for i := range list {
		list[i].Current = list[i].Href == here
	}
	return list
}

func (h *handler) form(given url.Values, stats store.Stats) filterForm {
	open := strings.ReplaceAll(join(openStatuses()), ", ", ",")
	f := filterForm{
		Text:        given.Get("text"),
		More:        slices.ContainsFunc([]string{"status", "type", "priority", "mailbox", "due", "review", "quarantined"}, given.Has),
		Review:      given.Get("review") == "true",
		Quarantined: given.Get("quarantined") == "true",
	}
	status := []choice{{Value: open, Label: "por atender"}}
	for _, s := range ticket.Statuses() {
		status = append(status, choice{Value: string(s), Label: string(s)})
	}
	f.Status = chosen(status, given["status"])
	var types, priorities, mailboxes []choice
	for _, t := range ticket.Types() {
		types = append(types, choice{Value: string(t), Label: typeWord(t)})
	}
	f.Type = chosen(types, given["type"])
	for _, p := range ticket.Priorities() {
		priorities = append(priorities, choice{Value: strconv.Itoa(int(p)), Label: fmt.Sprintf("%d %s", p, p)})
	}
	f.Priority = chosen(priorities, given["priority"])
	names := slices.Concat(h.o.Mailboxes, slices.Sorted(maps.Keys(stats.ByMailbox)))
	for i, name := range names {
		if !slices.Contains(names[:i], name) {
			mailboxes = append(mailboxes, choice{Value: name, Label: name})
		}
	}
	f.Mailbox = chosen(mailboxes, given["mailbox"])
	f.Due = chosen([]choice{
		{Value: dueOverdue, Label: "vencidos"}, {Value: dueToday, Label: "hasta hoy"}, {Value: dueTomorrow, Label: "hasta mañana"},
	}, given["due"])
	for _, name := range []string{"assignee", "sort", "limit"} {
		for _, v := range given[name] {
			f.Kept = append(f.Kept, keptValue{name, v})
		}
	}
	return f
}

// chosen marks the choice that is given, adding what the list does not offer.
func chosen(choices []choice, given []string) []choice {
	value := strings.Join(given, ",")
	if value == "" {
		return choices
	}
	for i := range choices {
		if choices[i].Value == value {
			choices[i].Selected = true
			return choices
		}
	}
	return append(choices, choice{Value: value, Label: line(value, 60), Selected: true})
}

// givenValues returns the parameters that have a value.
func givenValues(q url.Values) url.Values {
	given := url.Values{}
	for name, values := range q {
		for _, v := range values {
			if v = strings.TrimSpace(v); v != "" {
				given.Add(name, v)
			}
		}
	}
	return given
}

func withoutAfter(q url.Values) url.Values {
	q = maps.Clone(q)
	delete(q, "after")
	return q
}

// address is the queue's address with parameters.
func address(q url.Values) string {
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// render executes a page wholly before it answers, so that a failure is an
// error page and not half of one.
func (h *handler) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := h.pages[name].ExecuteTemplate(&b, "layout.html", data); err != nil {
		h.o.Logger.Error("execute a page", "page", name, "pattern", r.Pattern, "error", err)
		w.WriteHeader(errPanic.status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a failed write means that the client is gone
}

package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"radicado/store"
	"radicado/ticket"
)

// The bounds of filter values.
const (
	MaxLimit = 1000 // tickets a page

	maxFilterText  = 200  // runes
	maxFilterName  = 100  // runes of a mailbox or a login
	maxFilterAfter = 1024 // bytes of a position
	maxFilterWords = 32   // values of one parameter
)

// The words of filters that are no ticket's own.
const (
	dueToday    = "today"
	dueTomorrow = "tomorrow"
	dueOverdue  = "overdue"
	nobody      = "none"

	wantOne   = "one value only"
	wantAfter = "the next of the page before, with the same sort"
)

// filterParams are the names that ParseFilter knows, as errors list them.
var filterParams = []string{
	"status", "type", "priority", "mailbox", "due", "assignee", "text", "review", "quarantined", "sort", "limit", "after",
}

// filterError is a parameter that cannot be used.
type filterError struct {
	param, value, want string
}

func (e *filterError) Error() string {
	return fmt.Sprintf("%s %q: want %s", e.param, shorten(e.value, 60), e.want)
}

// spanish is the sentence for the page, with the words of its form.
func (e *filterError) spanish() string {
	label := map[string]string{
		"status": "estado", "type": "tipo", "priority": "prioridad", "mailbox": "buzón", "due": "vence", "assignee": "asignado", "text": "buscar",
		"review": "revisar", "quarantined": "cuarentena", "sort": "orden", "limit": "cantidad", "after": "página",
	}[e.param]
	if label == "" { // the parameter itself, or the query as a whole
		return "La dirección tiene un filtro que no existe o no se puede leer: «" + shorten(e.value, 60) + "»."
	}
	want := strings.NewReplacer(
		"one of ", "", "printable characters", "caracteres", wantOne, "un solo valor", wantAfter, "la que dio la página anterior, en el mismo orden",
	).Replace(e.want)
	return fmt.Sprintf("El filtro «%s» no admite «%s». Valores admitidos: %s.", label, shorten(e.value, 60), want)
}

// ParseFilter reads the parameters of the queue, the same for the page, the
// API and the command line. Empty values count as not given.
//
//   - status, type, priority: any number of values, repeated or with commas
//   - mailbox: a name; assignee: a login, or "none" for nobody's
//   - due: "overdue", "today", "tomorrow" or a date YYYY-MM-DD, all in Bogotá:
//     what falls due until the end of that day, or before now. Without a status it means
//     open tickets, since what is done is not due.
//   - text: at most 200 characters; review, quarantined: "true" or "false"
//   - sort: "queue" (default), "due", "number"; limit: 1 to [MaxLimit]; after: a page's next
//
// An error names the parameter and what it allows.
func ParseFilter(q url.Values, now time.Time) (store.Filter, error) {
	var f store.Filter
	for name := range q {
		if !slices.Contains(filterParams, name) {
			return f, &filterError{"parameter", name, "one of " + strings.Join(filterParams, ", ")}
		}
	}
	var err error
	if f.Status, err = words(q, "status", ticket.ParseStatus, ticket.Statuses()); err != nil {
		return store.Filter{}, err
	}
	if f.Type, err = words(q, "type", ticket.ParseType, ticket.Types()); err != nil {
		return store.Filter{}, err
	}
	if f.Priority, err = words(q, "priority", ticket.ParsePriority, []string{"1 (crítica)", "2 (alta)", "3 (media)", "4 (baja)"}); err != nil {
		return store.Filter{}, err
	}
	if f.Mailbox, err = phrase(q, "mailbox", maxFilterName); err != nil {
		return store.Filter{}, err
	}
	if f.Text, err = phrase(q, "text", maxFilterText); err != nil {
		return store.Filter{}, err
	}
	assignee, err := phrase(q, "assignee", maxFilterName)
	if err != nil {
		return store.Filter{}, err
	}
	if assignee == nobody {
		f.Assignee = new(string)
	} else if assignee != "" {
		f.Assignee = &assignee
	}
	if f.Review, err = boolean(q, "review"); err != nil {
		return store.Filter{}, err
	}
	if f.Quarantined, err = boolean(q, "quarantined"); err != nil {
		return store.Filter{}, err
	}
	if f.DueBefore, err = due(q, now); err != nil {
		return store.Filter{}, err
	}
	if !f.DueBefore.IsZero() && len(f.Status) == 0 {
		f.Status = openStatuses()
	}
	if f.Sort, err = sorting(q); err != nil {
		return store.Filter{}, err
	}
	if f.Limit, err = limit(q); err != nil {
		return store.Filter{}, err
	}
	if f.After, err = one(q, "after"); err != nil {
		return store.Filter{}, err
	}
	if len(f.After) > maxFilterAfter || !utf8.ValidString(f.After) {
		return store.Filter{}, &filterError{"after", f.After, wantAfter}
	}
	return f, nil
}

// words reads a list of values; wanted is what an error lists.
func words[T comparable, W ~string](q url.Values, name string, parse func(string) (T, error), wanted []W) ([]T, error) {
	var values []T
	for _, list := range q[name] {
		for word := range strings.SplitSeq(list, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			v, err := parse(word)
			if err != nil || len(values) == maxFilterWords {
				return nil, &filterError{name, word, "one of " + join(wanted)}
			}
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values, nil
}

// one returns the only value of a parameter, "" if none is given.
func one(q url.Values, name string) (string, error) {
	var value string
	for _, v := range q[name] {
		if v = strings.TrimSpace(v); v == "" || v == value {
			continue
		}
		if value != "" {
			return "", &filterError{name, v, wantOne}
		}
		value = v
	}
	return value, nil
}

// phrase reads free words of at most limit runes.
func phrase(q url.Values, name string, limit int) (string, error) {
	v, err := one(q, name)
	if err != nil {
		return "", err
	}
	if !printable(v, limit) {
		return "", &filterError{name, v, fmt.Sprintf("0..%d printable characters", limit)}
	}
	return v, nil
}

// printable reports whether s is UTF-8 of at most limit runes without control
// characters.
func printable(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}

func boolean(q url.Values, name string) (*bool, error) {
	v, err := one(q, name)
	if err != nil || v == "" {
		return nil, err
	}
	if v != "true" && v != "false" {
		return nil, &filterError{name, v, "true, false"}
	}
	b := v == "true"
	return &b, nil
}

func due(q url.Values, now time.Time) (time.Time, error) {
	v, err := one(q, "due")
	if err != nil || v == "" {
		return time.Time{}, err
	}
	today, err := ticket.DateOf(now).Time()
	if err != nil {
		return time.Time{}, fmt.Errorf("reckon today: %w", err)
	}
	switch v {
	case dueOverdue:
		return now, nil
	case dueToday:
		return today.AddDate(0, 0, 1), nil
	case dueTomorrow:
		return today.AddDate(0, 0, 2), nil
	}
	day, err := ticket.Date(v).Time()
	if err != nil {
		return time.Time{}, &filterError{"due", v, "one of overdue, today, tomorrow, YYYY-MM-DD"}
	}
	return day.AddDate(0, 0, 1), nil
}

func sorting(q url.Values) (store.Sort, error) {
	v, err := one(q, "sort")
	if err != nil {
		return store.SortQueue, err
	}
	switch v {
	case "", "queue":
		return store.SortQueue, nil
	case "due":
		return store.SortDue, nil
	case "number":
		return store.SortNumber, nil
	}
	return store.SortQueue, &filterError{"sort", v, "one of queue, due, number"}
}

func limit(q url.Values) (int, error) {
	v, err := one(q, "limit")
	if err != nil || v == "" {
		return 0, err
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > MaxLimit {
		return 0, &filterError{"limit", v, fmt.Sprintf("1..%d", MaxLimit)}
	}
	return n, nil
}

func openStatuses() []ticket.Status {
	return slices.DeleteFunc(ticket.Statuses(), func(s ticket.Status) bool { return !s.Open() })
}

func join[S ~string](values []S) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return strings.Join(list, ", ")
}

// shorten cuts s to at most limit runes of valid UTF-8, marking the cut.
func shorten(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

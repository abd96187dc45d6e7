package calendar

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"radicado/ticket"
)

func mustNew(t testing.TB, o Options) *Calendar {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

// desks are those of the default configuration.
func desks() map[string]Desk {
	return map[string]Desk{"soporte": Desk24x7(), "pqrsa": DeskPQRSA()}
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04:05", s, ticket.Bogota)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBusiness(t *testing.T) {
	c := mustNew(t, Options{Closed: []ClosedDay{{"2026-12-31", "cierre de año"}}})
	for d, want := range map[ticket.Date]bool{
		"2026-07-10": true,  // Friday
		"2026-07-11": false, // Saturday
		"2026-07-12": false, // Sunday
		"2026-07-13": false, // Virgen de Chiquinquirá
		"2026-07-14": true,
		"2026-03-30": true, // Monday of Holy Week
		"2026-04-01": true,
		"2026-04-02": false,
		"2026-04-03": false,
		"2026-12-24": true,
		"2026-12-25": false,
		"2026-12-31": false, // closed by the configuration
		"2025-12-31": true,
		"2025-07-14": true,
		"0001-01-01": true, // a Monday before any law
		"9999-12-31": true,
		"":           false,
		"2026-02-30": false,
		"2026-7-14":  false,
		"mañana":     false,
	} {
		if got := c.Business(d); got != want {
			t.Errorf("%q: got %t", d, got)
		}
	}
}

func TestBusinessDaysOfAYear(t *testing.T) {
	c := mustNew(t, Options{})
	for year, want := range map[int]int{2025: 245, 2026: 242, 2027: 245, 2028: 242} {
		if got := c.year(year).total(); got != want {
			t.Errorf("%d: got %d, want %d", year, got, want)
		}
		from, to := ticket.Date(fmt.Sprintf("%d-12-31", year-1)), ticket.Date(fmt.Sprintf("%d-12-31", year))
		if got := c.BusinessDaysBetween(from, to); got != want {
			t.Errorf("between %s and %s: got %d, want %d", from, to, got, want)
		}
	}
}

func TestFiledOn(t *testing.T) {
	c := mustNew(t, Options{Desks: desks()})
	for _, tc := range []struct {
		at             string
		pqrsa, soporte ticket.Date
	}{
		{"2026-07-10 00:00:00", "2026-07-10", "2026-07-10"},
		{"2026-07-10 06:59:59", "2026-07-10", "2026-07-10"}, // before opening is that day
		{"2026-07-10 16:59:59", "2026-07-10", "2026-07-10"},
		{"2026-07-10 17:00:00", "2026-07-14", "2026-07-10"},
		{"2026-07-10 23:59:59", "2026-07-14", "2026-07-10"},
		{"2026-07-11 10:00:00", "2026-07-14", "2026-07-14"},
		{"2026-07-13 10:00:00", "2026-07-14", "2026-07-14"},
		{"2026-12-31 18:00:00", "2027-01-04", "2026-12-31"},
		{"2026-12-25 09:00:00", "2026-12-28", "2026-12-28"},
	} {
		if got := c.FiledOn("pqrsa", at(t, tc.at)); got != tc.pqrsa {
			t.Errorf("pqrsa at %s: got %s, want %s", tc.at, got, tc.pqrsa)
		}
		for _, mailbox := range []string{"soporte", "not named"} {
			if got := c.FiledOn(mailbox, at(t, tc.at)); got != tc.soporte {
				t.Errorf("%s at %s: got %s, want %s", mailbox, tc.at, got, tc.soporte)
			}
		}
	}
	// The day is Bogotá's, whatever zone the instant bears.
	if got := c.FiledOn("soporte", time.Date(2026, 7, 11, 4, 59, 0, 0, time.UTC)); got != "2026-07-10" {
		t.Errorf("late on Friday, told in UTC: got %s", got)
	}
}

func TestOpening(t *testing.T) {
	c := mustNew(t, Options{Desks: desks()})
	for _, tc := range []struct{ at, opens string }{
		{"2026-07-10 06:30:00", "2026-07-10 07:00:00"},
		{"2026-07-10 07:00:00", "2026-07-10 07:00:00"},
		{"2026-07-10 12:34:56", "2026-07-10 12:34:56"},
		{"2026-07-10 17:00:00", "2026-07-14 07:00:00"},
		{"2026-07-13 08:00:00", "2026-07-14 07:00:00"},
	} {
		now, opens := at(t, tc.at), at(t, tc.opens)
		if got := c.NextOpening("pqrsa", now); !got.Equal(opens) {
			t.Errorf("pqrsa at %s: opens %s, want %s", tc.at, got, tc.opens)
		}
		if got := c.OpenAt("pqrsa", now); got != now.Equal(opens) {
			t.Errorf("pqrsa at %s: open %t", tc.at, got)
		}
		if !c.OpenAt("soporte", now) || !c.NextOpening("soporte", now).Equal(now) {
			t.Errorf("soporte is closed at %s", tc.at)
		}
	}
}

func TestAddBusinessDays(t *testing.T) {
	c := mustNew(t, Options{Closed: []ClosedDay{{"2026-12-24", "día cívico"}}})
	for _, tc := range []struct {
		d    ticket.Date
		n    int
		want ticket.Date
	}{
		{"2026-07-10", 0, "2026-07-10"},
		{"2026-07-11", 0, "2026-07-11"}, // 0 leaves the day, closed or not
		{"2026-07-10", 1, "2026-07-14"},
		{"2026-07-11", 1, "2026-07-14"},
		{"2026-07-14", -1, "2026-07-10"},
		{"2026-07-13", -1, "2026-07-10"},
		{"2026-12-23", 1, "2026-12-28"},
		{"2025-12-31", 242 - 1, "2026-12-31"},
		{"2026-12-31", 242 - 1, "2027-12-27"},
		{"2027-01-04", -1, "2026-12-31"},
		{"2026-07-10", math.MaxInt, "9999-12-31"},
		{"2026-07-10", math.MinInt, "0001-01-01"},
		{"9999-12-31", 1, "9999-12-31"},
		{"0001-01-01", -1, "0001-01-01"},
		{"0000-06-15", 1, "0001-01-02"}, // as if the first day
		{"", 5, ""},
		{"no date", -5, ""},
	} {
		if got := c.AddBusinessDays(tc.d, tc.n); got != tc.want {
			t.Errorf("%s %+d: got %s, want %s", tc.d, tc.n, got, tc.want)
		}
	}
	if got := c.BusinessDaysBetween("2026-07-10", "x") + c.BusinessDaysBetween("", "2026-07-10"); got != 0 {
		t.Errorf("between what is no date: got %d", got)
	}
	if got := c.BusinessDaysBetween("2026-07-14", "2026-07-10"); got != -1 {
		t.Errorf("backwards: got %d, want -1", got)
	}
}

func TestOutermostDaysClosed(t *testing.T) {
	c := mustNew(t, Options{Closed: []ClosedDay{{"9999-12-31", "fin"}, {"0001-01-01", "principio"}}})
	if got := c.AddBusinessDays("9999-12-30", 3); got != "9999-12-30" {
		t.Errorf("past the end: got %s", got)
	}
	if got := c.AddBusinessDays("0001-01-02", -3); got != "0001-01-02" {
		t.Errorf("before the beginning: got %s", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"desk without cutoff":   {Desks: map[string]Desk{"a": {Opens: 1, Closes: 2}}},
		"cutoff past midnight":  {Desks: map[string]Desk{"a": {AlwaysOpen: true, Cutoff: 25 * time.Hour}}},
		"closes before it open": {Desks: map[string]Desk{"a": {Opens: 9 * time.Hour, Closes: 8 * time.Hour, Cutoff: time.Hour}}},
		"closed on no date":     {Closed: []ClosedDay{{"2026-13-01", "x"}}},
		"closed without reason": {Closed: []ClosedDay{{"2026-12-01", " "}}},
		"closed twice":          {Closed: []ClosedDay{{"2026-12-01", "x"}, {"2026-12-01", "y"}}},
		"unknown term":          {Terms: map[ticket.TermCode]Rule{"peticion": {Days: 3}}},
		"target as a term":      {Terms: map[ticket.TermCode]Rule{ticket.TermIncidente: {Days: 3}}},
		"no days":               {Terms: map[ticket.TermCode]Rule{ticket.TermQueja: {Rule: "x"}}},
		"too many days":         {Terms: map[ticket.TermCode]Rule{ticket.TermQueja: {Days: 1001}}},
		"unknown unit":          {Terms: map[ticket.TermCode]Rule{ticket.TermQueja: {Days: 3, Unit: "weeks"}}},
		"priority 5":            {Targets: map[ticket.Priority]Rule{5: {Days: 1}}},
		"target of no length":   {Targets: map[ticket.Priority]Rule{ticket.Alta: {}}},
	} {
		if c, err := New(o); err == nil || c != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseDesk(t *testing.T) {
	for name, want := range map[string]Desk{"24x7": Desk24x7(), "pqrsa": DeskPQRSA(), " PQRSA ": DeskPQRSA()} {
		if got, err := ParseDesk(name); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "7x24", "pqrs"} {
		if _, err := ParseDesk(name); err == nil {
			t.Errorf("%q: accepted", name)
		}
	}
}

// TestVersion pins the version of the default rules: when it changes, deadlines
// already given were reckoned otherwise, and the change belongs in the changelog.
func TestVersion(t *testing.T) {
	const want = "co-12870b2a8c6e"
	if got := mustNew(t, Options{}).Version(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := mustNew(t, Options{Desks: map[string]Desk{"soporte": Desk24x7()}}).Version(); got != want {
		t.Errorf("naming a mailbox of 24x7 changes the version to %s", got)
	}
	seen := map[string]string{want: "default"}
	for name, o := range map[string]Options{
		"desk":   {Desks: desks()},
		"closed": {Closed: []ClosedDay{{"2026-12-31", "x"}}},
		"term":   {Terms: map[ticket.TermCode]Rule{ticket.TermQueja: {Days: 14}}},
		"target": {Targets: map[ticket.Priority]Rule{ticket.Baja: {Days: 9}}},
	} {
		v := mustNew(t, o).Version()
		if other := seen[v]; other != "" {
			t.Errorf("%s and %s have one version %s", name, other, v)
		}
		seen[v] = name
		if again := mustNew(t, o).Version(); again != v {
			t.Errorf("%s: once %s, once %s", name, v, again)
		}
	}
}

// naive counts day by day over the lists of Holidays.
type naive struct {
	closed   map[ticket.Date]bool
	holidays map[ticket.Date]bool
}

func newNaive(closed []ClosedDay, years ...int) naive {
	n := naive{map[ticket.Date]bool{}, map[ticket.Date]bool{}}
	for _, c := range closed {
		n.closed[c.Date] = true
	}
	for y := years[0]; y <= years[1]; y++ {
		for _, h := range Holidays(y) {
			n.holidays[h.Date] = true
		}
	}
	return n
}

func (n naive) business(d time.Time) bool {
	date := ticket.DateOf(d)
	return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday && !n.holidays[date] && !n.closed[date]
}

func (n naive) add(d ticket.Date, days int) ticket.Date {
	t, _ := d.Time()
	step := 1
	if days < 0 {
		step, days = -1, -days
	}
	for days > 0 {
		t = t.AddDate(0, 0, step)
		if n.business(t) {
			days--
		}
	}
	return ticket.DateOf(t)
}

func drawDate(t *rapid.T, label string, first, last int) ticket.Date {
	from, to := civil(first, 1, 1), civil(last, 12, 31)
	return day(rapid.Int32Range(int32(from), int32(to)).Draw(t, label)).date()
}

func TestAddAndBetweenAgree(t *testing.T) {
	closed := []ClosedDay{{"2026-12-31", "cierre"}, {"2027-02-03", "día cívico"}, {"2110-03-05", "después"}}
	c := mustNew(t, Options{Closed: closed})
	slow := newNaive(closed, 1975, 2120)
	rapid.Check(t, func(t *rapid.T) {
		d := drawDate(t, "date", 1980, 2110)
		n := rapid.IntRange(-600, 600).Draw(t, "n")
		got := c.AddBusinessDays(d, n)
		if want := slow.add(d, n); got != want {
			t.Fatalf("%s %+d: got %s, want %s", d, n, got, want)
		}
		if n != 0 && !c.Business(got) {
			t.Fatalf("%s is closed", got)
		}
		if n >= 0 || c.Business(d) {
			if back := c.BusinessDaysBetween(d, got); back != n {
				t.Fatalf("from %s to %s are %d, want %d", d, got, back, n)
			}
		}
	})
}

func TestMonotone(t *testing.T) {
	c := mustNew(t, Options{Desks: desks()})
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawDate(t, "a", 1, 9999), drawDate(t, "b", 1, 9999)
		if b < a {
			a, b = b, a
		}
		n := rapid.IntRange(-1000, 1000).Draw(t, "n")
		if x, y := c.AddBusinessDays(a, n), c.AddBusinessDays(b, n); x > y {
			t.Fatalf("%+d: from %s %s, from later %s %s", n, a, x, b, y)
		}
		if x, y := c.AddBusinessDays(a, n), c.AddBusinessDays(a, n+1); x > y {
			t.Fatalf("%s: %+d gives %s, one more %s", a, n, x, y)
		}
		if got, back := c.BusinessDaysBetween(a, b), c.BusinessDaysBetween(b, a); got < 0 || got != -back {
			t.Fatalf("%s to %s: %d, back %d", a, b, got, back)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	c := mustNew(t, Options{Desks: desks()})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for y := 1900 + i; y < 2200; y += 8 {
				d := ticket.Date(fmt.Sprintf("%04d-06-15", y))
				if got := c.BusinessDaysBetween(d, c.AddBusinessDays(d, 30)); got != 30 {
					t.Errorf("%s: %d", d, got)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkDeadline(b *testing.B) {
	c := mustNew(b, Options{Desks: desks()})
	r := ticket.TermRequest{Mailbox: "pqrsa", Type: ticket.Peticion, ReceivedAt: time.Date(2026, 12, 24, 14, 0, 0, 0, time.UTC)}
	for b.Loop() {
		c.Deadline(r)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

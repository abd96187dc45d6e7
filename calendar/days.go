package calendar

import (
	"sort"
	"time"

	"radicado/ticket"
)

// The years that dates may have: those that YYYY can write.
const (
	firstYear = 1
	lastYear  = 9999
)

// The years reckoned once by [New]; others, which no real mail has, are
// reckoned each time so that memory stays bounded.
const (
	tableFirst = 1984
	tableLast  = 2100
)

// day counts days since 1970-01-01.
type day int32

var (
	firstDay = civil(firstYear, time.January, 1)
	lastDay  = civil(lastYear, time.December, 31)
)

func civil(y int, m time.Month, d int) day {
	return day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// parseDay reads a date. It is false for what is not YYYY-MM-DD.
func parseDay(d ticket.Date) (day, bool) {
	t, err := d.Time()
	if err != nil {
		return 0, false
	}
	return dayOf(clamp(t)), true
}

// dayOf returns the day in Bogotá of an instant that was clamped.
func dayOf(at time.Time) day {
	y, m, d := at.In(ticket.Bogota).Date()
	return civil(y, m, d)
}

// clamp moves an instant into the years 1 to 9999 of Bogotá. The end leaves
// room for the hours by which UTC is ahead, which RFC 3339 must write as well.
func clamp(at time.Time) time.Time {
	if first := firstDay.at(0); at.Before(first) {
		return first
	}
	if last := lastDay.at(endOfDay); at.After(last) {
		return last
	}
	return at
}

func sinceMidnight(at time.Time) time.Duration {
	local := at.In(ticket.Bogota)
	h, m, s := local.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(local.Nanosecond())
}

// at returns the instant of d in Bogotá that long after midnight.
func (d day) at(hour time.Duration) time.Time {
	y, m, n := d.utc().Date()
	return time.Date(y, m, n, 0, 0, 0, 0, ticket.Bogota).Add(hour)
}

func (d day) utc() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

func (d day) year() int { return d.utc().Year() }

func (d day) weekday() time.Weekday { return d.utc().Weekday() }

func (d day) date() ticket.Date { return ticket.Date(d.utc().Format(time.DateOnly)) }

// monday returns d if it is a Monday, else the next one.
func (d day) monday() day { return d + day((8-d.weekday())%7) }

// year knows how many business days lie before each of its days.
type year struct {
	first  day
	days   int
	before [367]int16 // before[i] counts the business days of the year's first i days
}

// total returns the business days of the whole year.
func (y *year) total() int { return int(y.before[y.days]) }

func (y *year) open(d day) bool {
	i := d - y.first
	return y.before[i+1] > y.before[i]
}

// nth returns the n-th business day of the year, from 1 to total.
func (y *year) nth(n int) day {
	return y.first + day(sort.Search(y.days, func(i int) bool { return int(y.before[i+1]) >= n }))
}

func (c *Calendar) year(y int) *year {
	if y >= tableFirst && y <= tableLast {
		return &c.years[y-tableFirst]
	}
	other := c.reckon(y)
	return &other
}

func (c *Calendar) reckon(y int) year {
	first := civil(y, time.January, 1)
	r := year{first: first, days: int(civil(y+1, time.January, 1) - first)}
	var closed [366]bool
	for _, h := range holidays(y) {
		closed[h.day-first] = true
	}
	w := first.weekday()
	for i := range r.days {
		r.before[i+1] = r.before[i]
		if w != time.Saturday && w != time.Sunday && !closed[i] && !c.closed[first+day(i)] {
			r.before[i+1]++
		}
		w = (w + 1) % 7
	}
	return r
}

// add moves by n business days, see [Calendar.AddBusinessDays]. It goes by whole
// years, so that any n ends after at most ten thousand steps.
func (c *Calendar) add(from day, n int) day {
	if n == 0 {
		return from
	}
	const all = (lastYear + 1) * 366 // more than there are days; keeps the sums below from overflowing
	n = max(-all, min(n, all))
	at := from.year()
	y := c.year(at)
	if n > 0 {
		n += int(y.before[from-y.first+1])
		for n > y.total() {
			if at == lastYear {
				return c.outermost(lastYear, -1)
			}
			n -= y.total()
			at++
			y = c.year(at)
		}
		return y.nth(n)
	}
	n += int(y.before[from-y.first]) + 1
	for n < 1 {
		if at == firstYear {
			return c.outermost(firstYear, 1)
		}
		at--
		y = c.year(at)
		n += y.total()
	}
	return y.nth(n)
}

// outermost returns the business day that lies nearest to the end of time.
func (c *Calendar) outermost(at, step int) day {
	for ; at >= firstYear && at <= lastYear; at += step {
		y := c.year(at)
		switch {
		case y.total() == 0:
		case step > 0:
			return y.nth(1)
		default:
			return y.nth(y.total())
		}
	}
	return lastDay // no business day at all
}

// between counts the business days after a up to and including b, a <= b.
func (c *Calendar) between(a, b day) int {
	ya, yb := a.year(), b.year()
	y := c.year(ya)
	n := -int(y.before[a-y.first+1])
	for ; ya < yb; ya++ {
		n += c.year(ya).total()
	}
	y = c.year(yb)
	return n + int(y.before[b-y.first+1])
}

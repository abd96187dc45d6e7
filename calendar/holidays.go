package calendar

import (
	"cmp"
	"slices"
	"time"

	"radicado/ticket"
)

// Holiday is a day of rest by law.
type Holiday struct {
	Date ticket.Date
	Name string // Spanish
}

// Years from which laws hold.
const (
	ley51   = 1984 // Ley 51 de 1983, of 22 December
	ley2578 = 2026 // Ley 2578 de 2026, of 1 June
)

type holiday struct {
	day  day
	name string
}

// Holidays returns Colombia's holidays of a year by date (Ley 51 de 1983, art.
// 1; from 2026 on also Ley 2578 de 2026, art. 6). Two may fall together: they
// are named one after the other. For years before 1984 and after 9999 it is nil.
func Holidays(year int) []Holiday {
	var list []Holiday
	for _, h := range holidays(year) {
		list = append(list, Holiday{Date: h.day.date(), Name: h.name})
	}
	return list
}

func holidays(y int) []holiday {
	if y < ley51 || y > lastYear {
		return nil
	}
	easter := easterSunday(y)
	list := []holiday{
		// never moved, not even from a Sunday
		{civil(y, time.January, 1), "Año Nuevo"},
		{civil(y, time.May, 1), "Día del Trabajo"},
		{civil(y, time.July, 20), "Día de la Independencia"},
		{civil(y, time.August, 7), "Batalla de Boyacá"},
		{civil(y, time.December, 8), "Inmaculada Concepción"},
		{civil(y, time.December, 25), "Navidad"},
		{easter - 3, "Jueves Santo"},
		{easter - 2, "Viernes Santo"},
		// kept on the next Monday
		{civil(y, time.January, 6).monday(), "Reyes Magos"},
		{civil(y, time.March, 19).monday(), "San José"},
		{civil(y, time.June, 29).monday(), "San Pedro y San Pablo"},
		{civil(y, time.August, 15).monday(), "Asunción de la Virgen"},
		{civil(y, time.October, 12).monday(), "Día de la Raza"},
		{civil(y, time.November, 1).monday(), "Todos los Santos"},
		{civil(y, time.November, 11).monday(), "Independencia de Cartagena"},
		{(easter + 39).monday(), "Ascensión del Señor"},
		{(easter + 60).monday(), "Corpus Christi"},
		{(easter + 68).monday(), "Sagrado Corazón de Jesús"},
	}
	if y >= ley2578 {
		list = append(list, holiday{civil(y, time.July, 9).monday(), "Virgen de Chiquinquirá"})
	}
	slices.SortStableFunc(list, func(a, b holiday) int { return cmp.Compare(a.day, b.day) })
	return list
}

// easterSunday returns Easter of the Gregorian calendar (the algorithm of Meeus,
// Jones and Butcher: Jean Meeus, Astronomical Algorithms, chapter 8).
func easterSunday(y int) day {
	a, b, c := y%19, y/100, y%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 19*l) / 433
	month := (h + l - 7*m + 90) / 25
	return civil(y, time.Month(month), (h+l-7*m+33*month+19)%32)
}

package calendar

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"radicado/ticket"
)

// The lists of three years, made by other programs than this one.
var knownHolidays = map[int]string{
	2025: "01-01 01-06 03-24 04-17 04-18 05-01 06-02 06-23 06-30 06-30 07-20 08-07 08-18 10-13 11-03 11-17 12-08 12-25",
	2026: "01-01 01-12 03-23 04-02 04-03 05-01 05-18 06-08 06-15 06-29 07-13 07-20 08-07 08-17 10-12 11-02 11-16 12-08 12-25",
	2027: "01-01 01-11 03-22 03-25 03-26 05-01 05-10 05-31 06-07 07-05 07-12 07-20 08-07 08-16 10-18 11-01 11-15 12-08 12-25",
}

func TestHolidaysOfKnownYears(t *testing.T) {
	for year, want := range knownHolidays {
		var got []string
		for _, h := range Holidays(year) {
			got = append(got, string(h.Date[5:]))
		}
		if d := cmp.Diff(strings.Fields(want), got); d != "" {
			t.Errorf("%d (-want +got):\n%s", year, d)
		}
	}
}

func TestHolidayNames(t *testing.T) {
	for _, tc := range []struct {
		date ticket.Date
		want []string
	}{
		{"2026-01-12", []string{"Reyes Magos"}},
		{"2026-03-23", []string{"San José"}},
		{"2026-04-02", []string{"Jueves Santo"}},
		{"2026-05-18", []string{"Ascensión del Señor"}},
		{"2026-06-08", []string{"Corpus Christi"}},
		{"2026-06-15", []string{"Sagrado Corazón de Jesús"}},
		{"2026-07-13", []string{"Virgen de Chiquinquirá"}},
		{"2026-07-20", []string{"Día de la Independencia"}},
		{"2025-06-30", []string{"San Pedro y San Pablo", "Sagrado Corazón de Jesús"}},
		{"2025-07-14", nil}, // Ley 2578 holds from 2026 on
		{"2026-04-05", nil}, // Easter Sunday is none by law
	} {
		var got []string
		for _, h := range Holidays(yearOf(tc.date)) {
			if h.Date == tc.date {
				got = append(got, h.Name)
			}
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.date, d)
		}
	}
}

func yearOf(d ticket.Date) int {
	n, ok := parseDay(d)
	if !ok {
		return 0
	}
	return n.year()
}

func TestEaster(t *testing.T) {
	for year, want := range map[int]ticket.Date{
		1984: "1984-04-22", 2000: "2000-04-23", 2008: "2008-03-23", 2011: "2011-04-24", 2025: "2025-04-20", 2026: "2026-04-05",
		2027: "2027-03-28", 2028: "2028-04-16", 2038: "2038-04-25", 2049: "2049-04-18", 2076: "2076-04-19",
	} {
		if got := easterSunday(year).date(); got != want {
			t.Errorf("%d: got %s, want %s", year, got, want)
		}
	}
}

// TestEasterOtherAlgorithm compares with Gauss's rule as corrected by Lichtenberg.
func TestEasterOtherAlgorithm(t *testing.T) {
	for x := 1583; x <= lastYear; x++ {
		k := x / 100
		m := 15 + (3*k+3)/4 - (8*k+13)/25
		s := 2 - (3*k+3)/4
		a := x % 19
		d := (19*a + m) % 30
		r := (d + a/11) / 29
		og := 21 + d - r
		sz := 7 - (x+x/4+s)%7
		oe := 7 - (og-sz)%7
		if got, want := easterSunday(x), civil(x, 3, og+oe); got != want {
			t.Fatalf("%d: got %s, want %s", x, got.date(), want.date())
		}
	}
}

func TestHolidaysThatFallTogether(t *testing.T) {
	var got []int
	for year := 2010; year <= 2041; year++ {
		list := Holidays(year)
		for i := 1; i < len(list); i++ {
			if list[i].Date == list[i-1].Date {
				if list[i].Name != "Sagrado Corazón de Jesús" || list[i-1].Name != "San Pedro y San Pablo" {
					t.Errorf("%s: %s and %s", list[i].Date, list[i-1].Name, list[i].Name)
				}
				got = append(got, year)
			}
		}
	}
	if want := []int{2011, 2014, 2019, 2025, 2030, 2038, 2041}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestHolidaysOfAnyYear(t *testing.T) {
	fixed := []string{"Año Nuevo", "Día del Trabajo", "Día de la Independencia", "Batalla de Boyacá", "Inmaculada Concepción", "Navidad", "Jueves Santo", "Viernes Santo"}
	rapid.Check(t, func(t *rapid.T) {
		year := rapid.IntRange(1984, 9999).Draw(t, "year")
		list := Holidays(year)
		if want := map[bool]int{false: 18, true: 19}[year >= 2026]; len(list) != want {
			t.Fatalf("%d names, want %d", len(list), want)
		}
		names := map[string]bool{}
		for i, h := range list {
			names[h.Name] = true
			d, ok := parseDay(h.Date)
			if !ok || d.year() != year {
				t.Fatalf("%s is not of %d", h.Date, year)
			}
			if i > 0 && h.Date < list[i-1].Date {
				t.Fatalf("%s after %s", h.Date, list[i-1].Date)
			}
			if !slices.Contains(fixed, h.Name) && d.weekday() != 1 {
				t.Fatalf("%s %s is no Monday", h.Name, h.Date)
			}
		}
		if len(names) != len(list) {
			t.Fatalf("a name stands twice: %v", list)
		}
	})
}

func TestHolidaysOutsideTheLaw(t *testing.T) {
	for _, year := range []int{-1, 0, 1, 1983, 10000, 1 << 40} {
		if got := Holidays(year); got != nil {
			t.Errorf("%d: %v", year, got)
		}
	}
}

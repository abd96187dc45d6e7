package ticket

import "time"

// Bogota is Colombia's legal time, UTC−5 all year. A fixed zone is used, not
// the tz database: Colombia has had no daylight saving since 1993, and a
// machine without zoneinfo must count the same days.
var Bogota = time.FixedZone("America/Bogota", -5*60*60)

// Date is a calendar day in Bogotá, written YYYY-MM-DD. The zero value is "no
// day". Dates in this form order as strings do.
type Date string

// DateOf returns the day in Bogotá on which t falls.
func DateOf(t time.Time) Date {
	return Date(t.In(Bogota).Format(time.DateOnly))
}

// Time returns midnight in Bogotá at which d begins. It fails on anything that
// is not YYYY-MM-DD.
func (d Date) Time() (time.Time, error) {
	return time.ParseInLocation(time.DateOnly, string(d), Bogota)
}

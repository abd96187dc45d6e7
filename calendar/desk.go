package calendar

import (
	"fmt"
	"strings"
	"time"
)

// Desk says when people attend a mailbox on business days, as time since
// midnight in Bogotá, and until which hour its mail is filed on the same day.
type Desk struct {
	AlwaysOpen bool          // attended day and night, closed days too; Opens and Closes do not matter
	Opens      time.Duration // from this hour on
	Closes     time.Duration // up to and without this hour, at most 24 h
	Cutoff     time.Duration // mail at this hour or later is filed on the next business day; 24 h: never too late
}

// Desk24x7 is attended at all hours. Its mail is filed on the day it comes in,
// at any hour, if that is a business day.
func Desk24x7() Desk {
	return Desk{AlwaysOpen: true, Closes: 24 * time.Hour, Cutoff: 24 * time.Hour}
}

// DeskPQRSA is attended Monday to Friday from 07:00 to 17:00. Mail of 17:00:00
// and later is filed on the next business day. That is the desk's practice, not
// statute: a cutoff of 24 h is the stricter count, at most one day earlier.
func DeskPQRSA() Desk {
	return Desk{Opens: 7 * time.Hour, Closes: 17 * time.Hour, Cutoff: 17 * time.Hour}
}

// ParseDesk returns the desk that a configuration names: "24x7" or "pqrsa".
func ParseDesk(name string) (Desk, error) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "24x7":
		return Desk24x7(), nil
	case "pqrsa":
		return DeskPQRSA(), nil
	}
	return Desk{}, fmt.Errorf("calendar %q: want 24x7 or pqrsa", name)
}

func (d Desk) validate() error {
	const full = 24 * time.Hour
	if d.Cutoff <= 0 || d.Cutoff > full {
		return fmt.Errorf("cutoff %s: want more than 0 and at most 24 h", d.Cutoff)
	}
	if !d.AlwaysOpen && (d.Opens < 0 || d.Closes > full || d.Opens >= d.Closes) {
		return fmt.Errorf("hours %s to %s: want an opening before the closing, within one day", d.Opens, d.Closes)
	}
	return nil
}

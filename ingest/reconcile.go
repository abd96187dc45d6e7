package ingest

import (
	"slices"

	"radicado/ticket"
)

// Reckoning compares what a server holds of one folder with the ledger.
type Reckoning struct {
	Mailbox     string       `json:"mailbox"`
	Folder      string       `json:"folder"`
	UIDValidity uint32       `json:"uid_validity"` // the server's
	Cursor      ticket.UID   `json:"cursor"`       // 0 if nothing was taken under this UIDVALIDITY
	Taken       int          `json:"taken"`        // on the server, with an outcome
	Waiting     int          `json:"waiting"`      // above the cursor: still to be taken
	Unexplained []ticket.UID `json:"unexplained"`  // at or below the cursor, without an outcome; not nil
}

// Reckon compares the UIDs on the server with those that have an outcome, both
// ascending. The server's must have been listed before the cursor was read, and
// the cursor before the outcomes: then a mail taken meanwhile is no gap. Mails
// with an outcome that are no longer on the server are as it should be.
func Reckon(mailbox, folder string, uidValidity uint32, server []ticket.UID, cursor ticket.Cursor, ledger []ticket.UID) Reckoning {
	r := Reckoning{Mailbox: mailbox, Folder: folder, UIDValidity: uidValidity, Unexplained: []ticket.UID{}}
	if cursor.UIDValidity == uidValidity {
		r.Cursor = cursor.Last
	}
	for _, uid := range server {
		_, known := slices.BinarySearch(ledger, uid)
		switch {
		case known:
			r.Taken++
		case uid > r.Cursor:
			r.Waiting++
		default:
			r.Unexplained = append(r.Unexplained, uid)
		}
	}
	return r
}

// StillThere drops from the gaps what the server no longer lists: a mail that
// vanished between the listing and its being taken.
func (r *Reckoning) StillThere(server []ticket.UID) {
	r.Unexplained = slices.DeleteFunc(r.Unexplained, func(uid ticket.UID) bool {
		_, there := slices.BinarySearch(server, uid)
		return !there
	})
}

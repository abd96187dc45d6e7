package ingest_test

import (
	"slices"
	"testing"

	"radicado/ingest"
	"radicado/ticket"
)

func TestReckon(t *testing.T) {
	type uids = []ticket.UID
	for _, c := range []struct {
		name           string
		server, ledger uids
		cursor         ticket.Cursor
		taken, waiting int
		gaps           uids
	}{
		{"nothing", nil, nil, ticket.Cursor{}, 0, 0, nil},
		{"never taken", uids{1, 2}, nil, ticket.Cursor{}, 0, 2, nil},
		{"all taken", uids{1, 2}, uids{1, 2}, ticket.Cursor{UIDValidity: 7, Last: 2}, 2, 0, nil},
		{"moved away", uids{2}, uids{1, 2, 3}, ticket.Cursor{UIDValidity: 7, Last: 3}, 1, 0, nil},
		{"waiting", uids{1, 5}, uids{1}, ticket.Cursor{UIDValidity: 7, Last: 4}, 1, 1, nil},
		{"gaps", uids{1, 2, 3, 4, 9}, uids{1, 3}, ticket.Cursor{UIDValidity: 7, Last: 4}, 2, 1, uids{2, 4}},
		{"taken meanwhile", uids{1, 2, 3}, uids{1, 2, 3}, ticket.Cursor{UIDValidity: 7, Last: 1}, 3, 0, nil},
		{"renumbered", uids{1, 2}, nil, ticket.Cursor{UIDValidity: 6, Last: 99}, 0, 2, nil},
	} {
		r := ingest.Reckon("soporte", "INBOX", 7, c.server, c.cursor, c.ledger)
		if r.Taken != c.taken || r.Waiting != c.waiting || !slices.Equal(r.Unexplained, c.gaps) || r.Unexplained == nil {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	r := ingest.Reckon("soporte", "INBOX", 7, uids{1, 2, 3}, ticket.Cursor{UIDValidity: 7, Last: 3}, uids{1})
	if r.StillThere(uids{1, 3, 4}); !slices.Equal(r.Unexplained, uids{3}) {
		t.Errorf("after a second look: %v", r.Unexplained)
	}
}

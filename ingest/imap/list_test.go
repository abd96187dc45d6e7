package imap_test

import (
	"slices"
	"strings"
	"testing"

	"radicado/ingest/imap"
	"radicado/ticket"
)

func TestList(t *testing.T) {
	s := newServer(t)
	deliver(t, s, "INBOX", 1, 4, 100)
	o := options(s.Addr())
	o.Folders = []string{"INBOX", "Missing"}
	o.After = imap.After{Seen: true}
	src, err := imap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := src.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Missing") {
		t.Errorf("a missing folder: %v", err)
	}
	if len(list) != 1 || list[0].Folder != "INBOX" || list[0].UIDValidity == 0 || !slices.Equal(list[0].UIDs, []ticket.UID{1, 2, 3, 4}) {
		t.Fatalf("listed %+v", list)
	}
	if st := src.Status(); st.Connected || st.LastError != "" || !st.LastSuccess.IsZero() {
		t.Errorf("listing changed the status: %+v", st)
	}
}

// TestListChangesNothing: whatever is to be done with mails once they are
// stored, listing opens the folder read-only.
func TestListChangesNothing(t *testing.T) {
	s := newScript(t, func(c string) reply { return defaultReply(c, "IMAP4rev1") })
	o := options(s.listener.Addr().String())
	o.After = imap.After{Seen: true}
	src, err := imap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = src.List(t.Context()) // what the script lacks does not matter here
	examined := false
	for _, c := range s.all() {
		verb, _, _ := strings.Cut(c, " ")
		switch {
		case verb == "SELECT", verb == "STORE", strings.Contains(c, "FETCH"):
			t.Errorf("listing said %q", c)
		case verb == "EXAMINE":
			examined = true
		}
	}
	if !examined {
		t.Errorf("no folder was examined: %q", s.all())
	}
}

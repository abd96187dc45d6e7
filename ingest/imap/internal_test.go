package imap

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"radicado/ticket"
)

func TestListUIDs(t *testing.T) {
	t.Parallel()
	set := func(ranges ...goimap.UIDRange) goimap.UIDSet { return ranges }
	for _, tt := range []struct {
		name   string
		set    goimap.NumSet
		lo, hi ticket.UID
		want   []ticket.UID
		err    bool
	}{
		{name: "none", set: set(), lo: 1},
		{name: "no answer", set: nil, lo: 1},
		{name: "below the cursor", set: set(goimap.UIDRange{Start: 7, Stop: 7}), lo: 8},
		{name: "around the cursor", set: set(goimap.UIDRange{Start: 5, Stop: 10}), lo: 8, want: []ticket.UID{8, 9, 10}},
		{name: "above the window", set: set(goimap.UIDRange{Start: 5, Stop: 10}), lo: 1, hi: 6, want: []ticket.UID{5, 6}},
		{name: "unsorted", set: set(goimap.UIDRange{Start: 9, Stop: 9}, goimap.UIDRange{Start: 2, Stop: 3}, goimap.UIDRange{Start: 3, Stop: 3}), lo: 1, want: []ticket.UID{2, 3, 9}},
		{name: "last uid", set: set(goimap.UIDRange{Start: 4294967295, Stop: 4294967295}), lo: 1, want: []ticket.UID{4294967295}},
		{name: "star", set: set(goimap.UIDRange{Start: 3, Stop: 0}), lo: 1, err: true},
	} {
		got, err := listUIDs(tt.set, tt.lo, tt.hi)
		if !slices.Equal(got, tt.want) || (err != nil) != tt.err {
			t.Errorf("%s: %v, %v; want %v, error %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	got, err := listUIDs(set(goimap.UIDRange{Start: 1, Stop: 4294967295}), 1, 0)
	if err != nil || len(got) != searchWindow {
		t.Errorf("all UIDs: %d, %v; want %d", len(got), err, searchWindow)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		uids        []ticket.UID
		n           int
		first, rest string
	}{
		{[]ticket.UID{1, 2, 3}, 5, "1:3", ""},
		{[]ticket.UID{1, 2, 3}, 3, "1:3", ""},
		{[]ticket.UID{1, 2, 3}, 2, "1:2", "3"},
		{[]ticket.UID{1, 3, 5, 7}, 2, "1,3", "5,7"},
		{[]ticket.UID{1, 3, 4, 5, 9}, 2, "1,3", "4:5,9"},
		{[]ticket.UID{4294967294, 4294967295}, 1, "4294967294", "4294967295"},
	} {
		first, rest := split(uidSet(tt.uids), tt.n)
		if first.String() != tt.first || rest.String() != tt.rest {
			t.Errorf("split(%v, %d) = %s and %s, want %s and %s", tt.uids, tt.n, first, rest, tt.first, tt.rest)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff{min: time.Second, max: time.Minute}
	for i, limit := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		limit *= time.Second
		if got := b.next(); got < limit/2 || got > limit {
			t.Errorf("pause %d is %s, want %s to %s", i, got, limit/2, limit)
		}
	}
	b.failures = 1000
	if got := b.next(); got < 30*time.Second || got > time.Minute {
		t.Errorf("late pause is %s", got)
	}
	b.reset()
	if got := b.next(); got > time.Second {
		t.Errorf("pause after success is %s", got)
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	for _, tt := range []struct {
		name string
		r    io.Reader
		size int64
		want error
	}{
		{"whole", strings.NewReader("12345"), 5, nil},
		{"whole, byte by byte", iotest.OneByteReader(strings.NewReader("12345")), 5, nil},
		{"whole, error with the data", iotest.DataErrReader(strings.NewReader("12345")), 5, nil},
		{"empty", strings.NewReader(""), 0, nil},
		{"short", strings.NewReader("123"), 5, io.ErrUnexpectedEOF},
		{"cut", io.MultiReader(strings.NewReader("123"), iotest.ErrReader(cut)), 5, cut},
	} {
		l := &literal{r: tt.r, left: tt.size}
		_, err := io.ReadAll(l)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
		if err != nil {
			l.r = iotest.ErrReader(errors.New("read after an error"))
		}
		if again := l.drain(); !errors.Is(again, tt.want) {
			t.Errorf("%s: error %v when read again, want %v", tt.name, again, tt.want)
		}
	}
}

// pipeGuard returns a guard and the server's end of its connection.
func pipeGuard(t *testing.T) (*guard, net.Conn) {
	client, server := net.Pipe()
	g := newGuard(client)
	t.Cleanup(func() { client.Close(); server.Close() })
	return g, server
}

func TestGuardStall(t *testing.T) {
	t.Parallel()
	g, _ := pipeGuard(t)
	failed := make(chan error, 1)
	go func() {
		_, err := g.Read(make([]byte, 1)) // blocks without limit until an answer is due
		failed <- err
	}()
	g.expect(20*time.Millisecond, responseBudget)
	select {
	case err := <-failed:
		if !errors.Is(err, errStalled) || !errors.Is(g.why(), errStalled) {
			t.Errorf("error %v, cause %v", err, g.why())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a read that began before the command was not ended")
	}
}

func TestGuardBudget(t *testing.T) {
	t.Parallel()
	g, server := pipeGuard(t)
	go func() {
		for {
			if _, err := server.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}()
	g.expect(time.Minute, 5000)
	g.grant(20_000)
	n, err := io.Copy(io.Discard, struct{ io.Reader }{g})
	if want := int64(20_000 + responseBudget); n != want || !errors.Is(err, errFlood) {
		t.Errorf("%d bytes and %v, want %d and %v", n, err, want, errFlood)
	}
}

// The library takes io.EOF for the end of a literal, so it must not see one.
func TestGuardHidesEOF(t *testing.T) {
	t.Parallel()
	g, server := pipeGuard(t)
	server.Close()
	if _, err := g.Read(make([]byte, 1)); !errors.Is(err, errCut) || err == io.EOF || errors.Is(err, io.EOF) {
		t.Errorf("error %v, want %v", err, errCut)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"radicado/ingest/imap/cyrustest"
	"radicado/ingest/imap/dovecottest"
	"radicado/ingest/imap/servertest"
	"radicado/store"
	"radicado/ticket"
)

// faultLimit bounds every wait of the fault tests.
const faultLimit = 60 * time.Second

// faultDesk is a desk over a real server in which a test breaks things: what
// was delivered to it, and its configuration.
type faultDesk struct {
	host   servertest.Server
	server *dovecottest.Server // host, if it is a Dovecot, whose files can be looked at
	dir    string
	db     string
	config string

	mu        sync.Mutex
	delivered map[string]deliveredMail // by Message-ID
}

type deliveredMail struct {
	mailbox string
	size    int
}

var faultMailboxes = []string{"soporte", "pqrsa"}

// newFaultDesk starts Dovecot and writes a configuration for the database db,
// "" for one in the test's folder.
func newFaultDesk(t *testing.T, after, db string) *faultDesk {
	t.Helper()
	server := dovecottest.Start(t, faultMailboxes...)
	d := newFaultDeskOn(t, server, after, db)
	d.server = server
	return d
}

// faultServers are the makes of servers that faults are tried with.
var faultServers = map[string]func(t testing.TB) servertest.Server{
	"dovecot": func(t testing.TB) servertest.Server { return dovecottest.Start(t, faultMailboxes...) },
	"cyrus":   func(t testing.TB) servertest.Server { return cyrustest.Start(t, faultMailboxes...) },
}

// newFaultDeskOn is newFaultDesk on any running server. after is with the
// server's name of the folder.
func newFaultDeskOn(t *testing.T, host servertest.Server, after, db string) *faultDesk {
	t.Helper()
	return newFaultDeskThrough(t, host, func(string) string { return host.TLSAddr() }, after, db, "")
}

// newFaultDeskThrough is newFaultDeskOn where each mailbox reaches the server by
// an address of its own; more is further configuration of its IMAP.
func newFaultDeskThrough(t *testing.T, host servertest.Server, addr func(mailbox string) string, after, db, more string) *faultDesk {
	t.Helper()
	d := &faultDesk{host: host, dir: t.TempDir(), db: db, delivered: map[string]deliveredMail{}}
	if db == "" {
		d.db = filepath.Join(d.dir, "desk.db")
	}
	d.config = filepath.Join(d.dir, "radicado.toml")
	var config strings.Builder
	fmt.Fprintf(&config, "[store]\npath = %q\n[web]\nlisten = \"127.0.0.1:0\"\n", d.db)
	for _, m := range faultMailboxes {
		if err := os.WriteFile(filepath.Join(d.dir, m+".pass"), []byte(host.Password(m)), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&config, "[[mailbox]]\nname = %q\naddress = \"%s@example.com\"\n[mailbox.imap]\nserver = %q\nca_file = %q\nusername = %q\npassword_file = \"%s.pass\"\nafter = %q\npoll = \"1s\"\n%s",
			m, m, addr(m), host.CAFile(), m, m, after, more)
	}
	if err := os.WriteFile(d.config, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// deliver puts n mails of at least size bytes into a mailbox. Every third one
// answers the one before.
func (d *faultDesk) deliver(mailbox string, n, size int) error {
	for range n {
		d.mu.Lock()
		k := len(d.delivered)
		id, raw := faultMail(mailbox, k, size)
		d.delivered[id] = deliveredMail{mailbox: mailbox, size: len(raw)}
		d.mu.Unlock()
		if err := d.host.Deliver(mailbox, raw); err != nil {
			return err
		}
	}
	return nil
}

func faultMail(mailbox string, k, size int) (id string, raw []byte) {
	id = fmt.Sprintf("falla.%d.%s@cliente.example.org", k, mailbox)
	var b bytes.Buffer
	fmt.Fprintf(&b, "Message-ID: <%s>\r\nFrom: ana@cliente.example.org\r\nTo: %s@example.com\r\nSubject: caso %d\r\n", id, mailbox, k)
	if k%3 == 2 {
		fmt.Fprintf(&b, "In-Reply-To: <falla.%d.%s@cliente.example.org>\r\n", k-1, mailbox)
	}
	fmt.Fprintf(&b, "\r\nEl lector %d no captura la huella.\r\n", k)
	r := rand.New(rand.NewPCG(1, uint64(k)))
	for b.Len() < size { // does not compress well, so that chunks are written on the way
		fmt.Fprintf(&b, "%016x%016x%016x%016x\r\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	return id, b.Bytes()
}

func (d *faultDesk) mustDeliver(t *testing.T, n, size int) {
	t.Helper()
	for _, m := range faultMailboxes {
		if err := d.deliver(m, n, size); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *faultDesk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.delivered)
}

// within polls a state outside of this process until it holds.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", limit, what)
		}
		<-tick.C
	}
}

// waitStored returns once the running daemon holds every mail delivered. The
// limit is for the next one, since a test may leave thousands to be taken.
func (d *faultDesk) waitStored(t *testing.T, p *process) {
	t.Helper()
	want := d.count()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline, stored := time.Now().Add(faultLimit), 0
	for {
		stats, err := daemonStats(d.db)
		if err == nil && stats.Messages >= want {
			return
		}
		if err == nil && stats.Messages > stored {
			deadline, stored = time.Now().Add(faultLimit), stats.Messages
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d mails are stored, no more for %v (%v); the daemon's log ends:\n%s", stored, want, faultLimit, err, tail(p.text()))
		}
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("the daemon ended:\n%s", tail(p.text()))
		}
	}
}

// daemonStats asks the daemon that holds the database.
func daemonStats(db string) (stats store.Stats, err error) {
	var stdout, stderr bytes.Buffer
	app := App{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Now: time.Now}
	if code := app.Run(context.Background(), []string{"stats", "--json", "--db", db}); code != exitDone {
		return stats, fmt.Errorf("exit code %d: %s", code, stderr.String())
	}
	return stats, json.Unmarshal(stdout.Bytes(), &stats)
}

func (d *faultDesk) start(t *testing.T) *process {
	t.Helper()
	return startProcess(t, d.config, nil)
}

// said reports whether each of the mailboxes has a line in the log behind its
// first from bytes with all words.
func (p *process) said(from int, words ...string) bool {
	found := map[string]bool{}
	for line := range strings.Lines(p.text()[from:]) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		for _, m := range faultMailboxes {
			if all && strings.Contains(line, "mailbox="+m) {
				found[m] = true
			}
		}
	}
	return len(found) == len(faultMailboxes)
}

// waitSaid waits until both mailboxes have said so.
func (p *process) waitSaid(t *testing.T, from int, words ...string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(faultLimit)
	for !p.said(from, words...) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q for both mailboxes:\n%s", words, tail(p.text()[from:]))
		}
		<-tick.C
	}
}

// report looks at every mail delivered and says what became of them: each must
// be exactly one message in exactly one ticket of its mailbox, whole; the
// numbers must have no gap; and `radicado check` must find the store sound. It
// returns the duplicates that the store recognised.
func (d *faultDesk) report(t *testing.T) (duplicates int) {
	t.Helper()
	return reportDelivered(t, d.db, d.delivered)
}

func reportDelivered(t *testing.T, db string, delivered map[string]deliveredMail) (duplicates int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	app := App{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Now: time.Now}
	if code := app.Run(context.Background(), []string{"check", "--db", db}); code != exitDone {
		t.Errorf("check: exit code %d: %s%s", code, stdout.String(), stderr.String())
	}
	s, err := store.Open(db, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stats, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	stored, lost, doubled := 0, 0, 0
	numbers := map[ticket.Number]bool{}
	err = s.View(context.Background(), func(tx *store.Tx) error {
		for id, want := range delivered {
			found, err := tx.MessagesByID(id)
			if err != nil {
				return err
			}
			filings := 0
			for _, m := range found {
				filings += len(m.Filings)
			}
			switch {
			case filings == 0:
				lost++
				t.Errorf("lost: %s of %s", id, want.mailbox)
				continue
			case len(found) > 1 || filings > 1:
				doubled++
				t.Errorf("doubled: %s of %s: %d messages, %d filings", id, want.mailbox, len(found), filings)
				continue
			}
			stored++
			m, f := found[0], found[0].Filings[0]
			if f.Mailbox != want.mailbox || f.Ticket.IsZero() || m.Size != int64(want.size) || m.Mail.Quarantine != "" {
				t.Errorf("%s is in %s, ticket %s, %d bytes, quarantine %q; want %s and %d bytes", id, f.Mailbox, f.Ticket, m.Size, m.Mail.Quarantine, want.mailbox, want.size)
			}
			numbers[f.Ticket] = true
			thread, err := tx.Messages(f.Ticket)
			if err != nil {
				return err
			}
			times := 0
			for _, other := range thread {
				if other.Digest == m.Digest {
					times++
				}
			}
			if times != 1 {
				t.Errorf("%s is %d times in ticket %s", id, times, f.Ticket)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages != len(delivered) || stats.Tickets != len(numbers) || stats.Quarantined != 0 {
		t.Errorf("the store holds %d messages and %d tickets, %d quarantined; want %d, %d and 0", stats.Messages, stats.Tickets, stats.Quarantined, len(delivered), len(numbers))
	}
	highest := map[int]uint32{}
	for n := range numbers {
		highest[n.Year] = max(highest[n.Year], n.Seq)
	}
	last := 0
	for _, seq := range highest {
		last += int(seq)
	}
	if last != len(numbers) {
		t.Errorf("the numbers of %d tickets go up to %v: there are gaps", len(numbers), highest)
	}
	t.Logf("delivered %d stored %d lost %d doubled %d", len(delivered), stored, lost, doubled)
	return stats.ByDisposition[ticket.DispositionDuplicate]
}

// discard is a log nobody reads.
func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

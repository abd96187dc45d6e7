package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/ingest/imap/dovecottest"
	"radicado/ingest/imap/imaptest"
	"radicado/store"
)

// TestFaultNetwork puts a bad network between a real server and the whole way
// of a mail, at the exact place where it hurts, which toxiproxy cannot hit. It
// runs in this process.
func TestFaultNetwork(t *testing.T) {
	t.Parallel()
	const inLiteral = "BODY[]"
	cases := []struct {
		name  string
		fault imaptest.Fault
	}{
		{"cut-greeting", imaptest.Fault{Cut: true, Once: true}},
		{"cut-literal", imaptest.Fault{Trigger: inLiteral, After: 20_000, Cut: true, Once: true}},
		{"cut-between", imaptest.Fault{Trigger: inLiteral, After: 150_000, Cut: true, Once: true}},
		{"reset-literal", imaptest.Fault{Trigger: inLiteral, After: 70_000, Reset: true, Once: true}},
		{"stall-literal", imaptest.Fault{Trigger: inLiteral, After: 20_000, Stall: true, Once: true}},
		{"stall-login", imaptest.Fault{After: 150, Stall: true, Once: true}},
	}
	var users []string
	for _, c := range cases {
		users = append(users, c.name)
	}
	server := dovecottest.Start(t, users...)
	app := &App{Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now}
	t.Run("by", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				proxy, err := imaptest.NewProxy(server.Addr())
				if err != nil {
					t.Fatal(err)
				}
				defer proxy.Close()
				proxy.Set(c.fault)
				delivered := map[string]deliveredMail{}
				send := func(n, size int) {
					t.Helper()
					for range n {
						id, raw := faultMail("soporte", len(delivered), size)
						delivered[id] = deliveredMail{mailbox: "soporte", size: len(raw)}
						if err := server.Deliver(c.name, raw); err != nil {
							t.Fatal(err)
						}
					}
				}
				send(4, 60_000)
				send(8, 0)

				db := filepath.Join(t.TempDir(), "desk.db")
				s, err := store.Open(db, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				d, err := app.loadDesk("")
				if err != nil {
					t.Fatal(err)
				}
				classifier, err := d.classifier()
				if err != nil {
					t.Fatal(err)
				}
				pipeline, err := ingest.New(ingest.Options{Store: s, Classifier: classifier, Terms: d.calendar.Deadline})
				if err != nil {
					t.Fatal(err)
				}
				source, err := imap.New(imap.Options{
					Mailbox: "soporte", Server: proxy.Addr(), Security: imap.SecurityNone, Username: c.name,
					Password: func(context.Context) (string, error) { return server.Password(c.name), nil },
					After:    imap.After{Seen: true},
					Poll:     time.Second, Dial: 2 * time.Second, Command: 10 * time.Second, Stall: 2 * time.Second,
					BackoffMin: 10 * time.Millisecond,
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- source.Run(ctx, pipeline) }()
				stored := func() bool {
					stats, err := s.Stats(t.Context())
					return err == nil && stats.Messages >= len(delivered)
				}
				within(t, faultLimit, "what was there is stored", stored)
				// A source that has met the fault is as good as any.
				send(2, 0)
				within(t, faultLimit, "what came later is stored", stored)
				within(t, faultLimit, "all is marked", func() bool { return len(seenIn(t, server.Maildir(c.name))) == len(delivered) })
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if n := proxy.Connections(); n < 2 {
					t.Errorf("%d connections: the fault did not strike", n)
				}
				if n := reportDelivered(t, db, delivered); n != 0 {
					t.Errorf("%d mails were taken twice and recognised; want 0", n)
				}
			})
		}
	})
}

// jumpingClock moves by days, back and forth, while it is read.
func jumpingClock() func() time.Time {
	offsets := []time.Duration{0, 72 * time.Hour, -48 * time.Hour, -240 * time.Hour, 240 * time.Hour, time.Hour}
	reads := make(chan int, 1)
	reads <- 0
	return func() time.Time {
		n := <-reads
		reads <- n + 1
		return time.Now().Add(offsets[n/3%len(offsets)])
	}
}

// TestFaultClock runs the daemon on a clock that jumps by days: neither the
// order of tickets nor their number depends on it, nor when a mail was received.
func TestFaultClock(t *testing.T) {
	t.Parallel()
	const mails = 60
	passwords := map[string]string{"soporte": "clave-uno", "pqrsa": "clave-dos"}
	server, err := imaptest.Start(passwords)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dir := t.TempDir()
	db := filepath.Join(dir, "desk.db")
	var config strings.Builder
	fmt.Fprintf(&config, "[store]\npath = %q\n[web]\nlisten = \"127.0.0.1:0\"\n", db)
	for m, password := range passwords {
		if err := os.WriteFile(filepath.Join(dir, m+".pass"), []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&config, "[[mailbox]]\nname = %q\naddress = \"%s@example.com\"\n[mailbox.imap]\nserver = %q\nsecurity = \"none\"\nusername = %q\npassword_file = \"%s.pass\"\npoll = \"1s\"\n", m, m, server.Addr(), m, m)
	}
	path := filepath.Join(dir, "radicado.toml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	app := &App{Stderr: os.Stderr, Getenv: os.Getenv, Now: jumpingClock()}
	d, err := app.loadDesk(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	ready := make(chan string, 1)
	go func() { ended <- app.serve(ctx, d, discard(), func(url string) { ready <- url }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}

	received := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	delivered := map[string]deliveredMail{}
	ids := map[string][]string{}
	for k := range mails {
		for _, m := range faultMailboxes {
			id, raw := faultMail(m, k, 0)
			delivered[id] = deliveredMail{mailbox: m, size: len(raw)}
			ids[m] = append(ids[m], id)
			if err := server.Deliver(m, "INBOX", raw, received.Add(time.Duration(k)*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
	}
	within(t, faultLimit, "all is stored", func() bool {
		stats, err := daemonStats(db)
		return err == nil && stats.Messages >= len(delivered)
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := reportDelivered(t, db, delivered); n != 0 {
		t.Errorf("%d duplicates", n)
	}
	s := openStore(t, db)
	err = s.View(t.Context(), func(tx *store.Tx) error {
		for _, m := range faultMailboxes {
			last := uint32(0)
			for k, id := range ids[m] {
				found, err := tx.MessagesByID(id)
				if err != nil || len(found) != 1 {
					return fmt.Errorf("%s: %d messages: %w", id, len(found), err)
				}
				f := found[0].Filings[0]
				if want := received.Add(time.Duration(k) * time.Second); !f.ReceivedAt.Equal(want) {
					t.Errorf("%s was received at %v, want %v", id, f.ReceivedAt, want)
				}
				switch {
				case k%3 == 2 && f.Ticket.Seq != last:
					t.Errorf("%s answers the mail before it but is in %s, not in %d", id, f.Ticket, last)
				case k%3 != 2 && f.Ticket.Seq <= last:
					t.Errorf("%s came later but has %s, not above %d", id, f.Ticket, last)
				}
				last = f.Ticket.Seq
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

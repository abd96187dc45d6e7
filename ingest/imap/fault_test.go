package imap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/ingest/imap/imaptest"
)

// A cut anywhere leaves nothing short behind, and all comes after reconnecting.
// The fake sink reports a short body that is handed over as whole.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	const size, count = 40_000, 5
	for _, after := range []int64{0, 10, 100, 300, 600, 900, 1_500, 5_000, 20_000, 41_000, 60_000, 100_000, 160_000, 199_000, 201_000} {
		server := newServer(t)
		deliver(t, server, "INBOX", 1, count, size)
		proxy := newProxy(t, server.Addr())
		proxy.Set(imaptest.Fault{After: after, Cut: true, Once: true})
		sink := newSink(t)
		_, stop := run(t, options(proxy.Addr()), sink)
		got := sink.wait(count)
		stop()
		wantMails(t, got, "INBOX", size, numbers(1, count)...)
		if proxy.Connections() < 2 && after < 200_000 {
			t.Errorf("cut after %d bytes: %d connections", after, proxy.Connections())
		}
	}
}

func TestStalledServer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]imaptest.Fault{
		"before the greeting": {Stall: true},
		"in the login":        {Stall: true, After: 60},
		"in a literal":        {Stall: true, Trigger: "BODY[]", After: 20_000},
		"in IDLE":             {Stall: true, Trigger: "idling"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			deliver(t, server, "INBOX", 1, 3, 30_000)
			proxy := newProxy(t, server.Addr())
			fault.Once = true
			proxy.Set(fault)
			o := options(proxy.Addr())
			o.Dial, o.Command, o.Stall, o.IdleRefresh = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond, 50*time.Millisecond
			sink := newSink(t)
			_, stop := run(t, o, sink)
			sink.wait(3)
			until(t, "a second connection", func() bool { return proxy.Connections() >= 2 })
			deliver(t, server, "INBOX", 4, 4, 30_000)
			sink.wait(4)
			stop()
			wantMails(t, sink.wait(4), "INBOX", 30_000, 1, 2, 3, 4)
		})
	}
}

// What the library cannot read ends the connection, not the source.
func TestUnknownResponses(t *testing.T) {
	t.Parallel()
	for name, inject := range map[string]string{
		"vanished":   "* VANISHED (EARLIER) 41,43:116\r\n",
		"unknown":    "* XYZZY\r\n",
		"bad flag":   "* 1 FETCH (FLAGS (foo[bar]))\r\n",
		"extension":  "* 1 FETCH (X-GM-MSGID 1)\r\n",
		"empty line": "\r\n",
		"bye":        "* BYE going down\r\n",
		"binary":     "\x00\x01\x02\xff\r\n",
		"huge esearch": "* ESEARCH (TAG \"T5\") UID ALL 1:4294967295\r\n" +
			"* XYZZY\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			deliver(t, server, "INBOX", 1, 3, 0)
			proxy := newProxy(t, server.Addr())
			proxy.Set(imaptest.Fault{Trigger: "idling\r\n", After: int64(len("idling\r\n")), Inject: inject, Once: true})
			sink := newSink(t)
			o := options(proxy.Addr())
			o.Poll = time.Hour
			_, stop := run(t, o, sink)
			sink.wait(3)
			if name != "bye" { // after a BYE it is the server who closes
				until(t, "a second connection", func() bool { return proxy.Connections() >= 2 })
			}
			deliver(t, server, "INBOX", 4, 4, 0)
			sink.wait(4)
			stop()
			wantMails(t, sink.wait(4), "INBOX", 0, 1, 2, 3, 4)
		})
	}
}

func TestFloodIsCutOff(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 2, 0)
	proxy := newProxy(t, server.Addr())
	proxy.Set(imaptest.Fault{Trigger: "idling\r\n", After: int64(len("idling\r\n")), Flood: "* OK [ALERT] " + strings.Repeat("a", 4096), Once: true})
	sink := newSink(t)
	source, stop := run(t, options(proxy.Addr()), sink)
	until(t, "a second connection", func() bool { return proxy.Connections() >= 2 })
	deliver(t, server, "INBOX", 3, 3, 0)
	sink.wait(3)
	until(t, "recovery", func() bool { return source.Status().LastError == "" })
	stop()
	wantMails(t, sink.wait(3), "INBOX", 0, 1, 2, 3)
}

func TestPoisonIsQuarantined(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 9, 500)
	server.Poison(4)
	sink := newSink(t)
	_, stop := run(t, options(server.Addr()), sink)
	sink.wait(9)
	deliver(t, server, "INBOX", 10, 10, 500)
	got := sink.wait(10)
	stop()
	q := got[3]
	if q.mail.Origin.UID != 4 || !strings.Contains(q.reason, "3 attempts") || q.mail.Previous != 3 {
		t.Errorf("fourth outcome: uid %d after %d, reason %q", q.mail.Origin.UID, q.mail.Previous, q.reason)
	}
	if !strings.Contains(string(q.body), "Subject: caso 4") || strings.Contains(string(q.body), "linea") {
		t.Errorf("quarantined with %q, want the header", q.body)
	}
	wantMails(t, append(append([]storedMail{}, got[:3]...), got[4:]...), "INBOX", 500, 1, 2, 3, 5, 6, 7, 8, 9, 10)
}

func TestMailThatTheSinkRefuses(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 6, 500)
	sink := newSink(t)
	sink.refuse = func(m ingest.Mail) error {
		if m.Origin.UID == 3 {
			return errors.New("cannot be read")
		}
		return nil
	}
	_, stop := run(t, options(server.Addr()), sink)
	got := sink.wait(6)
	stop()
	if q := got[2]; q.mail.Origin.UID != 3 || q.reason == "" || string(q.body) != string(mail(3, 500)) {
		t.Errorf("third outcome: uid %d, reason %q, %d bytes; want all of the mail in quarantine", q.mail.Origin.UID, q.reason, len(q.body))
	}
	if sink.takes[3] != 3 {
		t.Errorf("uid 3 was offered %d times, want 3", sink.takes[3])
	}
	wantMails(t, append(append([]storedMail{}, got[:2]...), got[3:]...), "INBOX", 500, 1, 2, 4, 5, 6)
}

func TestTooLargeIsQuarantined(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 2, 0)
	deliver(t, server, "INBOX", 3, 3, 50_000)
	deliver(t, server, "INBOX", 4, 4, 0)
	o := options(server.Addr())
	o.MaxMail = 10_000
	sink := newSink(t)
	_, stop := run(t, o, sink)
	got := sink.wait(4)
	stop()
	if q := got[2]; q.mail.Origin.UID != 3 || !strings.Contains(q.reason, "larger") || !strings.Contains(q.reason, "still on the server") || !q.mail.TooLarge || len(q.body) > 200 {
		t.Errorf("third outcome: uid %d, reason %q, %d bytes", q.mail.Origin.UID, q.reason, len(q.body))
	}
	if server.Logins() != 1 {
		t.Errorf("%d logins, want 1", server.Logins())
	}
}

func TestStopIsPrompt(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]imaptest.Fault{
		"in IDLE":             {},
		"stalled in login":    {Stall: true, After: 60},
		"stalled in literal":  {Stall: true, Trigger: "BODY[]", After: 20_000},
		"stalled in the IDLE": {Stall: true, Trigger: "idling"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			deliver(t, server, "INBOX", 1, 2, 30_000)
			proxy := newProxy(t, server.Addr())
			proxy.Set(fault)
			o := options(proxy.Addr())
			o.Command, o.Stall, o.Grace = time.Hour, time.Hour, 100*time.Millisecond
			sink := newSink(t)
			_, stop := run(t, o, sink)
			switch name {
			case "in IDLE", "stalled in the IDLE":
				sink.wait(2)
			default:
				until(t, "a connection", func() bool { return proxy.Connections() == 1 })
			}
			start := time.Now()
			stop()
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("stopping took %s", took)
			}
		})
	}
}

// Stopping amid a long FETCH finishes the mail under way and flags what was
// stored.
func TestStopFinishesWhatWasTaken(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 40, 0)
	o := options(server.Addr())
	o.After = imap.After{Seen: true}
	sink := newSink(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sink.refuse = func(m ingest.Mail) error {
		if m.Origin.UID == 10 {
			cancel()
		}
		return nil
	}
	source, err := imap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Run(ctx, sink); err != nil {
		t.Fatal(err)
	}
	wantMails(t, sink.wait(10), "INBOX", 0, numbers(1, 10)...)
	if all, unseen := server.Count("soporte", "INBOX"); all != 40 || unseen != 30 {
		t.Errorf("%d mails, %d unseen; want 40 and 30", all, unseen)
	}
}

func TestConnectionDropsInIdle(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	proxy := newProxy(t, server.Addr())
	o := options(proxy.Addr())
	o.Poll = time.Hour
	sink := newSink(t)
	_, stop := run(t, o, sink)
	for n := 1; n <= 5; n++ {
		deliver(t, server, "INBOX", n, n, 0)
		sink.wait(n)
		proxy.Drop()
	}
	stop()
	wantMails(t, sink.wait(5), "INBOX", 0, 1, 2, 3, 4, 5)
}

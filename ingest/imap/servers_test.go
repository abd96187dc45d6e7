package imap_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"radicado/ingest/imap"
	"radicado/ingest/imap/cyrustest"
	"radicado/ingest/imap/dovecottest"
	"radicado/ingest/imap/imaptest"
	"radicado/ingest/imap/servertest"
)

func realOptions(s servertest.Server, security string) imap.Options {
	o := options(s.Addr())
	o.Username = "soporte"
	o.Password = func(context.Context) (string, error) { return s.Password("soporte"), nil }
	o.Security = security
	if security == imap.SecurityTLS {
		o.Server = s.TLSAddr()
	}
	if security != imap.SecurityNone {
		o.CAFile = s.CAFile()
	}
	return o
}

func realDeliver(t *testing.T, s servertest.Server, from, to, size int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := s.Deliver("soporte", mail(n, size)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantBodies(t *testing.T, got []storedMail, size int, numbers ...int) {
	t.Helper()
	if len(got) != len(numbers) {
		t.Fatalf("%d mails, want %d", len(got), len(numbers))
	}
	for i, n := range numbers {
		if got[i].reason != "" || !bytes.Equal(got[i].body, mail(n, size)) {
			t.Errorf("mail %d: %d bytes, quarantine %q", n, len(got[i].body), got[i].reason)
		}
		if age := time.Since(got[i].mail.ReceivedAt); age < -time.Minute || age > time.Hour {
			t.Errorf("mail %d: received at %s", n, got[i].mail.ReceivedAt)
		}
	}
}

// servers are the makes that every test here runs with.
var servers = map[string]func(t testing.TB, users ...string) servertest.Server{
	"dovecot": func(t testing.TB, users ...string) servertest.Server { return dovecottest.Start(t, users...) },
	"cyrus":   func(t testing.TB, users ...string) servertest.Server { return cyrustest.Start(t, users...) },
}

// withServers runs a test with each of them.
func withServers(t *testing.T, test func(t *testing.T, s servertest.Server)) {
	t.Helper()
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, "soporte", "pqrsa"))
		})
	}
}

// wantCount compares a folder with what it must hold.
func wantCount(t *testing.T, s servertest.Server, folder string, all, seen int) {
	t.Helper()
	gotAll, gotSeen, err := servertest.Count(s, "soporte", folder)
	if err != nil || gotAll != all || gotSeen != seen {
		t.Errorf("%s holds %d mails, %d seen, %v; want %d and %d", folder, gotAll, gotSeen, err, all, seen)
	}
}

func TestServerTakes(t *testing.T) {
	t.Parallel()
	for _, security := range []string{imap.SecurityTLS, imap.SecurityStartTLS, imap.SecurityNone} {
		t.Run(security, func(t *testing.T) {
			withServers(t, func(t *testing.T, s servertest.Server) {
				realDeliver(t, s, 1, 150, 900)
				o := realOptions(s, security)
				o.Poll = time.Hour
				o.After = imap.After{Seen: true}
				sink := newSink(t)
				source, stop := run(t, o, sink)
				sink.wait(150)
				until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })
				for n := 151; n <= 153; n++ { // by IDLE alone
					start := time.Now()
					realDeliver(t, s, n, n, 900)
					sink.wait(n)
					if took := time.Since(start); took > 2*time.Second {
						t.Errorf("mail %d was taken after %s", n, took)
					}
				}
				stop()
				wantBodies(t, sink.wait(153), 900, numbers(1, 153)...)
				wantCount(t, s, "INBOX", 153, 153)
			})
		})
	}
}

func TestServerMoves(t *testing.T) {
	withServers(t, func(t *testing.T, s servertest.Server) {
		realDeliver(t, s, 1, 40, 900)
		o := realOptions(s, imap.SecurityNone)
		o.BatchSize = 15
		o.After = imap.After{Move: s.Folder("Procesados ñ")}
		sink := newSink(t)
		source, stop := run(t, o, sink)
		sink.wait(40)
		until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })
		realDeliver(t, s, 41, 41, 900)
		sink.wait(41)
		stop()
		wantBodies(t, sink.wait(41), 900, numbers(1, 41)...)
		wantCount(t, s, "INBOX", 0, 0)
		wantCount(t, s, o.After.Move, 41, 0)
	})
}

func TestServerCutInLiteral(t *testing.T) {
	withServers(t, func(t *testing.T, s servertest.Server) {
		const size = 500_000
		realDeliver(t, s, 1, 3, size)
		for i, after := range []int64{700, 100_000, 500_100, 900_000} {
			proxy := newProxy(t, s.Addr())
			proxy.Set(imaptest.Fault{Trigger: "BODY[]", After: after, Cut: true, Once: true})
			o := realOptions(s, imap.SecurityNone)
			o.Server = proxy.Addr()
			o.Mailbox = fmt.Sprintf("desk%d", i)
			sink := newSink(t)
			_, stop := run(t, o, sink)
			sink.wait(3)
			stop()
			wantBodies(t, sink.wait(3), size, 1, 2, 3)
			if n := proxy.Connections(); n != 2 {
				t.Errorf("cut after %d: %d connections, want 2", after, n)
			}
		}
	})
}

// An INBOX that is deleted while it idles and comes back is read anew.
func TestServerRenumbers(t *testing.T) {
	withServers(t, func(t *testing.T, s servertest.Server) {
		realDeliver(t, s, 1, 5, 900)
		sink := newSink(t)
		_, stop := run(t, realOptions(s, imap.SecurityTLS), sink)
		before := sink.wait(5)[4].mail.Origin.UIDValidity
		if err := s.Renumber("soporte"); err != nil {
			t.Fatal(err)
		}
		realDeliver(t, s, 6, 6, 900)
		got := sink.wait(11)
		stop()
		wantBodies(t, got, 900, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6)
		if after := got[10].mail.Origin.UIDValidity; after == before {
			t.Errorf("UIDVALIDITY is still %d", after)
		}
	})
}

func TestServerCertificateIsVerified(t *testing.T) {
	withServers(t, func(t *testing.T, s servertest.Server) {
		for _, security := range []string{imap.SecurityTLS, imap.SecurityStartTLS} {
			o := realOptions(s, security)
			o.CAFile = ""
			sink := newSink(t)
			source, stop := run(t, o, sink)
			until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
			if e := source.Status().LastError; !strings.Contains(e, "certificate") {
				t.Errorf("%s: error %q, want one about the certificate", security, e)
			}
			stop()
		}
	})
}

func TestServerWrongPassword(t *testing.T) {
	withServers(t, func(t *testing.T, s servertest.Server) {
		o := realOptions(s, imap.SecurityTLS)
		o.Password = func(context.Context) (string, error) { return "equivocada", nil }
		source, stop := run(t, o, newSink(t))
		until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
		stop()
		if e := source.Status().LastError; !strings.Contains(e, "log in as soporte") || !strings.Contains(strings.ToLower(e), "authentication") || strings.Contains(e, "equivocada") {
			t.Errorf("error %q", e)
		}
	})
}

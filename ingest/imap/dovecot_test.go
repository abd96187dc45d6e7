package imap_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"radicado/ingest/imap"
	"radicado/ingest/imap/dovecottest"
	"radicado/ingest/imap/imaptest"
)

func dovecotOptions(s *dovecottest.Server, security string) imap.Options {
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

func dovecotDeliver(t *testing.T, s *dovecottest.Server, from, to, size int) {
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

func maildirFiles(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, sub+"/"+e.Name())
		}
	}
	return list
}

func TestDovecot(t *testing.T) {
	t.Parallel()
	for _, security := range []string{imap.SecurityTLS, imap.SecurityStartTLS, imap.SecurityNone} {
		t.Run(security, func(t *testing.T) {
			t.Parallel()
			s := dovecottest.Start(t, "soporte", "pqrsa")
			dovecotDeliver(t, s, 1, 150, 900)
			o := dovecotOptions(s, security)
			o.Poll = time.Hour
			o.After = imap.After{Seen: true}
			sink := newSink(t)
			source, stop := run(t, o, sink)
			sink.wait(150)
			until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })
			for n := 151; n <= 153; n++ { // by IDLE alone
				start := time.Now()
				dovecotDeliver(t, s, n, n, 900)
				sink.wait(n)
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("mail %d was taken after %s", n, took)
				}
			}
			stop()
			wantBodies(t, sink.wait(153), 900, numbers(1, 153)...)
			seen := 0
			for _, name := range maildirFiles(t, s.Maildir("soporte")) {
				if _, flags, _ := strings.Cut(name, ":2,"); strings.Contains(flags, "S") {
					seen++
				}
			}
			if seen != 153 {
				t.Errorf("%d mails are seen, want 153", seen)
			}
		})
	}
}

func TestDovecotMoves(t *testing.T) {
	t.Parallel()
	s := dovecottest.Start(t, "soporte")
	dovecotDeliver(t, s, 1, 40, 900)
	o := dovecotOptions(s, imap.SecurityNone)
	o.BatchSize = 15
	o.After = imap.After{Move: "Procesados ñ"}
	sink := newSink(t)
	source, stop := run(t, o, sink)
	sink.wait(40)
	until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })
	dovecotDeliver(t, s, 41, 41, 900)
	sink.wait(41)
	stop()
	wantBodies(t, sink.wait(41), 900, numbers(1, 41)...)
	if left := maildirFiles(t, s.Maildir("soporte")); len(left) != 0 {
		t.Errorf("%d mails are left in INBOX", len(left))
	}
	moved, err := filepath.Glob(filepath.Join(s.Maildir("soporte"), ".Procesados*"))
	if err != nil || len(moved) != 1 {
		t.Fatalf("folders %v, %v", moved, err)
	}
	if n := len(maildirFiles(t, moved[0])); n != 41 {
		t.Errorf("%d mails were moved, want 41", n)
	}
}

func TestDovecotCutInLiteral(t *testing.T) {
	t.Parallel()
	const size = 500_000
	s := dovecottest.Start(t, "soporte")
	dovecotDeliver(t, s, 1, 3, size)
	for i, after := range []int64{700, 100_000, 500_100, 900_000} {
		proxy := newProxy(t, s.Addr())
		proxy.Set(imaptest.Fault{Trigger: "BODY[]", After: after, Cut: true, Once: true})
		o := dovecotOptions(s, imap.SecurityNone)
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
}

func TestDovecotCertificateIsVerified(t *testing.T) {
	t.Parallel()
	s := dovecottest.Start(t, "soporte")
	for _, security := range []string{imap.SecurityTLS, imap.SecurityStartTLS} {
		o := dovecotOptions(s, security)
		o.CAFile = ""
		sink := newSink(t)
		source, stop := run(t, o, sink)
		until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
		if e := source.Status().LastError; !strings.Contains(e, "certificate") {
			t.Errorf("%s: error %q, want one about the certificate", security, e)
		}
		stop()
	}
}

func TestDovecotWrongPassword(t *testing.T) {
	t.Parallel()
	s := dovecottest.Start(t, "soporte")
	o := dovecotOptions(s, imap.SecurityTLS)
	o.Password = func(context.Context) (string, error) { return "equivocada", nil }
	source, stop := run(t, o, newSink(t))
	until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
	stop()
	if e := source.Status().LastError; !strings.Contains(e, "AUTHENTICATIONFAILED") || strings.Contains(e, "equivocada") {
		t.Errorf("error %q", e)
	}
}

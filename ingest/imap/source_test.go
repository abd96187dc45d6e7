package imap_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/ingest/imap/imaptest"
)

const secret = "s3creto-muy-largo"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// received is the INTERNALDATE of the n-th mail.
func received(n int) time.Time {
	return time.Date(2026, 3, 2, 8, 0, n, 0, time.UTC)
}

func newServer(t *testing.T) *imaptest.Server {
	t.Helper()
	s, err := imaptest.Start(map[string]string{"soporte": secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newProxy(t *testing.T, target string) *imaptest.Proxy {
	t.Helper()
	p, err := imaptest.NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func deliver(t *testing.T, s *imaptest.Server, folder string, from, to, size int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := s.Deliver("soporte", folder, mail(n, size), received(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func options(addr string) imap.Options {
	return imap.Options{
		Mailbox: "soporte", Server: addr, Security: imap.SecurityNone, Username: "soporte",
		Password:   func(context.Context) (string, error) { return secret, nil },
		Poll:       50 * time.Millisecond,
		Command:    5 * time.Second,
		Stall:      5 * time.Second,
		BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond,
	}
}

// logBuffer collects what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run starts a source; stop ends it and waits. What it logs must hold neither
// the password nor a mail's content.
func run(t *testing.T, o imap.Options, sink ingest.Sink) (source *imap.Source, stop func()) {
	t.Helper()
	logs := &logBuffer{}
	o.Logger = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	source, err := imap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx, sink) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run returned %v, want nil when ctx ends", err)
				}
			case <-time.After(patience):
				t.Error("Run did not return after ctx ended")
			}
			for _, word := range []string{secret, "linea ", "cliente", "acc3ss-token", "refr3sh-token", "t0ken-de-nadie"} {
				if strings.Contains(logs.String(), word) {
					t.Errorf("the log holds %q:\n%s", word, logs)
				}
			}
			if t.Failed() {
				t.Logf("log:\n%s", logs)
			}
		})
	}
	t.Cleanup(stop)
	return source, stop
}

// until waits for a condition that nothing announces.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// wantMails checks that exactly these mails came, whole and in order.
func wantMails(t *testing.T, got []storedMail, folder string, size int, numbers ...int) {
	t.Helper()
	if len(got) != len(numbers) {
		t.Errorf("%d mails, want %d", len(got), len(numbers))
		return
	}
	for i, n := range numbers {
		if got[i].reason != "" {
			t.Errorf("mail %d was quarantined: %s", n, got[i].reason)
		}
		if !bytes.Equal(got[i].body, mail(n, size)) {
			t.Errorf("mail %d: body differs (%d bytes, want %d)", n, len(got[i].body), len(mail(n, size)))
		}
		if o := got[i].mail.Origin; o.Folder != folder || o.Mailbox != "soporte" || o.UIDValidity == 0 {
			t.Errorf("mail %d: origin %v", n, o)
		}
		if !got[i].mail.ReceivedAt.Equal(received(n)) {
			t.Errorf("mail %d: received at %s, want %s", n, got[i].mail.ReceivedAt, received(n))
		}
	}
}

func numbers(from, to int) (list []int) {
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

func TestTakesAllOnceAndInOrder(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 250, 600)
	sink := newSink(t)
	source, stop := run(t, options(server.Addr()), sink)
	wantMails(t, sink.wait(250), "INBOX", 600, numbers(1, 250)...)
	until(t, "status says success", func() bool { return !source.Status().LastSuccess.IsZero() })
	if st := source.Status(); !st.Connected || st.LastError != "" {
		t.Errorf("status %+v", st)
	}
	stop()
	if source.Status().Connected {
		t.Error("still connected after Run returned")
	}

	// Another process goes on from the cursor.
	deliver(t, server, "INBOX", 251, 253, 600)
	_, stop = run(t, options(server.Addr()), sink)
	sink.wait(253)
	stop()
	wantMails(t, sink.wait(253), "INBOX", 600, numbers(1, 253)...)
}

func TestUIDValidityChange(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 3, 0)
	sink := newSink(t)
	_, stop := run(t, options(server.Addr()), sink)
	sink.wait(3)
	stop()
	server.SetUIDValidity(7)
	_, stop = run(t, options(server.Addr()), sink)
	got := sink.wait(6)
	stop()
	wantMails(t, got, "INBOX", 0, 1, 2, 3, 1, 2, 3)
	if got[3].mail.Origin.UIDValidity != 7 || got[3].mail.Previous != 0 {
		t.Errorf("first mail after the change: %+v", got[3].mail)
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		after                      string
		start                      func(map[string]string) (*imaptest.Server, error)
		all, unseen, moved, unread int
	}{
		{after: "none", start: imaptest.Start, all: 30, unseen: 30},
		{after: "seen", start: imaptest.Start, all: 30},
		{after: "move:Procesados/2026 ñ", start: imaptest.Start, moved: 30, unread: 30},
		{after: "move:Procesados/2026 ñ", start: imaptest.StartWithoutMove, moved: 30, unread: 30},
	} {
		t.Run(tt.after, func(t *testing.T) {
			t.Parallel()
			server, err := tt.start(map[string]string{"soporte": secret})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			deliver(t, server, "INBOX", 1, 30, 0)
			o := options(server.Addr())
			o.BatchSize = 7
			if o.After, err = imap.ParseAfter(tt.after); err != nil {
				t.Fatal(err)
			}
			sink := newSink(t)
			source, stop := run(t, o, sink)
			sink.wait(30)
			until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })
			stop()
			wantMails(t, sink.wait(30), "INBOX", 0, numbers(1, 30)...)
			all, unseen := server.Count("soporte", "INBOX")
			moved, unread := server.Count("soporte", "Procesados/2026 ñ")
			if all != tt.all || unseen != tt.unseen || moved != tt.moved || unread != tt.unread {
				t.Errorf("INBOX %d (%d unseen), Procesados %d (%d unseen); want %d (%d), %d (%d)",
					all, unseen, moved, unread, tt.all, tt.unseen, tt.moved, tt.unread)
			}
		})
	}
}

// What an earlier run stored but could not move is moved by the next one.
func TestMoveSweepsWhatWasLeft(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 12, 0)
	sink := newSink(t)
	o := options(server.Addr())
	_, stop := run(t, o, sink) // after none
	sink.wait(12)
	stop()
	deliver(t, server, "INBOX", 13, 14, 0)
	o.After = imap.After{Move: "Procesados"}
	_, stop = run(t, o, sink)
	sink.wait(14)
	until(t, "all mails are moved", func() bool {
		all, _ := server.Count("soporte", "INBOX")
		moved, _ := server.Count("soporte", "Procesados")
		return all == 0 && moved == 14
	})
	stop()
	wantMails(t, sink.wait(14), "INBOX", 0, numbers(1, 14)...)
}

func TestTakesSeenMails(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 4, 0)
	o := options(server.Addr())
	o.After = imap.After{Seen: true}
	_, stop := run(t, o, newSink(t))
	until(t, "all are seen", func() bool { _, unseen := server.Count("soporte", "INBOX"); return unseen == 0 })
	stop()
	sink := newSink(t) // a desk that knows nothing of them
	_, stop = run(t, options(server.Addr()), sink)
	sink.wait(4)
	stop()
	wantMails(t, sink.wait(4), "INBOX", 0, 1, 2, 3, 4)
}

func TestIdleWakes(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 1, 0)
	o := options(server.Addr())
	o.Poll = time.Hour // only IDLE can tell
	sink := newSink(t)
	_, stop := run(t, o, sink)
	sink.wait(1)
	// No pause: mails arrive before, while and after IDLE begins.
	for n := 2; n <= 60; n++ {
		start := time.Now()
		deliver(t, server, "INBOX", n, n, 0)
		sink.wait(n)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("mail %d was taken after %s", n, took)
		}
	}
	stop()
	wantMails(t, sink.wait(60), "INBOX", 0, numbers(1, 60)...)
}

func TestIdleIsRefreshed(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	o := options(server.Addr())
	o.Poll, o.IdleRefresh = time.Hour, 20*time.Millisecond
	_, stop := run(t, o, newSink(t))
	until(t, "several searches", func() bool { return server.Searches() > 3 })
	stop()
	if server.Logins() != 1 {
		t.Errorf("%d logins, want 1", server.Logins())
	}
}

func TestSeveralFolders(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 2, 0)
	deliver(t, server, "Quejas", 3, 4, 0)
	o := options(server.Addr())
	o.Folders = []string{"INBOX", "Quejas"}
	sink := newSink(t)
	_, stop := run(t, o, sink)
	sink.wait(4)
	deliver(t, server, "Quejas", 5, 5, 0)
	deliver(t, server, "INBOX", 6, 6, 0)
	got := sink.wait(6)
	stop()
	folders, _ := byFolder(got)
	if folders["INBOX"] != 3 || folders["Quejas"] != 3 {
		t.Errorf("taken by folder: %v", folders)
	}
}

func TestMissingFolderDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 1, 0)
	o := options(server.Addr())
	o.Folders = []string{"INBOX", "Falta"}
	sink := newSink(t)
	source, stop := run(t, o, sink)
	sink.wait(1)
	until(t, "status names the folder", func() bool { return strings.Contains(source.Status().LastError, "Falta") })
	deliver(t, server, "Falta", 2, 2, 0)
	sink.wait(2)
	until(t, "the error is gone", func() bool { return source.Status().LastError == "" })
	stop()
	if server.Logins() != 1 {
		t.Errorf("%d logins, want 1", server.Logins())
	}
}

func TestWrongPasswordThenRight(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 1, 0)
	var mu sync.Mutex
	password := "equivocada"
	o := options(server.Addr())
	o.Password = func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return password, nil
	}
	sink := newSink(t)
	source, stop := run(t, o, sink)
	until(t, "the error is reported", func() bool { return source.Status().Failures >= 2 })
	st := source.Status()
	if !strings.Contains(st.LastError, "log in as soporte") || !strings.Contains(st.LastError, "AUTHENTICATIONFAILED") || strings.Contains(st.LastError, password) {
		t.Errorf("error %q", st.LastError)
	}
	mu.Lock()
	password = secret
	mu.Unlock()
	sink.wait(1)
	until(t, "the error is gone", func() bool { return source.Status().LastError == "" && source.Status().Failures == 0 })
	stop()
}

func TestSinkFails(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 20, 0)
	sink := newSink(t)
	full := errors.New("disk full")
	attempts := 0
	fail := func(m ingest.Mail) error {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		if attempts++; attempts < 30 {
			return full
		}
		return nil
	}
	sink.refuse, sink.refuseQuarantine = fail, fail
	o := options(server.Addr())
	o.MaxFailures = 100 // so that the recovery falls on an attempt to take
	_, stop := run(t, o, sink)
	sink.wait(20)
	stop()
	wantMails(t, sink.wait(20), "INBOX", 0, numbers(1, 20)...)
}

// A sink that can store nothing at all must not turn good mails into empty ones.
func TestSinkFailsForQuarantineToo(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 3, 400)
	sink := newSink(t)
	full := errors.New("disk full")
	var quarantines int
	sink.refuse = func(ingest.Mail) error {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		if quarantines < 12 {
			return full
		}
		return nil
	}
	sink.refuseQuarantine = func(ingest.Mail) error {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		quarantines++
		return full
	}
	_, stop := run(t, options(server.Addr()), sink)
	sink.wait(3)
	stop()
	wantMails(t, sink.wait(3), "INBOX", 400, 1, 2, 3)
}

func TestPlainIsForLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		server string
		allow  bool
		ok     bool
	}{
		{"127.0.0.1:143", false, true},
		{"[::1]:143", false, true},
		{"localhost:143", false, true},
		{"192.0.2.1:143", false, false},
		{"imap.example.com:143", false, false},
		{"localhost.example.com:143", false, false},
		{"192.0.2.1:143", true, true},
	} {
		o := options(tt.server)
		o.AllowPlain = tt.allow
		if _, err := imap.New(o); (err == nil) != tt.ok {
			t.Errorf("%s allow=%v: error %v, want ok=%v", tt.server, tt.allow, err, tt.ok)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*imap.Options){
		"mailbox has no name":  func(o *imap.Options) { o.Mailbox = "" },
		"want host:port":       func(o *imap.Options) { o.Server = "localhost" },
		"security \"ssl\"":     func(o *imap.Options) { o.Security = "ssl" },
		"username":             func(o *imap.Options) { o.Username = "" },
		"no password":          func(o *imap.Options) { o.Password = nil },
		"named twice":          func(o *imap.Options) { o.Folders = []string{"A", "A"} },
		"not a folder name":    func(o *imap.Options) { o.Folders = []string{"A\r\nX LOGOUT"} },
		"every mail would":     func(o *imap.Options) { o.After.Move = "INBOX" },
		"negative":             func(o *imap.Options) { o.Poll = -1 },
		"RFC 2177":             func(o *imap.Options) { o.IdleRefresh = 30 * time.Minute },
		"batch size":           func(o *imap.Options) { o.BatchSize = 501 },
		"backoff max":          func(o *imap.Options) { o.BackoffMin = time.Second; o.BackoffMax = time.Millisecond },
		"read CA file":         func(o *imap.Options) { o.CAFile = "testdata/missing.pem" },
		"holds no certificate": func(o *imap.Options) { o.CAFile = "source_test.go" },
	} {
		o := options("127.0.0.1:143")
		change(&o)
		if _, err := imap.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one with %q", err, name)
		}
	}
	for _, s := range []string{"", "move:", "delete", "Seen"} {
		if a, err := imap.ParseAfter(s); err == nil {
			t.Errorf("ParseAfter(%q) = %v", s, a)
		}
	}
}

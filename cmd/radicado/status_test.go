package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"radicado/ingest/imap/imaptest"
	"radicado/store"
	"radicado/web"
)

// embedded is a daemon in this process, on an IMAP server in this process.
type embedded struct {
	server *imaptest.Server
	url    string
	db     string
	config string
	filed  chan struct{} // one for each mail filed
	stop   func()        // ends the daemon; may be called twice
}

// filedHandler passes on each line that says that a mail is filed.
type filedHandler struct {
	slog.Handler
	filed chan<- struct{}
}

// Handle implements slog.Handler.
func (h filedHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "mail filed" {
		h.filed <- struct{}{}
	}
	return nil
}

// Enabled implements slog.Handler.
func (h filedHandler) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (h filedHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// newEmbedded starts the IMAP server and writes a configuration for soporte and
// a mailbox pqrsa, whose password is wrong.
func newEmbedded(t *testing.T) *embedded {
	t.Helper()
	server, err := imaptest.Start(map[string]string{"soporte": "clave-uno", "pqrsa": "clave-dos"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	dir := t.TempDir()
	e := &embedded{server: server, db: filepath.Join(dir, "desk.db"), config: filepath.Join(dir, "radicado.toml"), filed: make(chan struct{}, 1000)}
	config := fmt.Sprintf("[store]\npath = %q\n[web]\nlisten = \"127.0.0.1:0\"\n", e.db)
	for _, m := range []string{"soporte", "pqrsa"} {
		if err := os.WriteFile(filepath.Join(dir, m+".pass"), []byte("clave-uno"), 0o600); err != nil {
			t.Fatal(err)
		}
		config += fmt.Sprintf("[[mailbox]]\nname = %q\naddress = \"%s@example.com\"\n[mailbox.imap]\nserver = %q\nsecurity = \"none\"\nusername = %q\npassword_file = \"%s.pass\"\npoll = \"1s\"\n", m, m, server.Addr(), m, m)
	}
	if err := os.WriteFile(e.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

// startEmbedded serves what newEmbedded makes.
func startEmbedded(t *testing.T, getenv func(string) string) *embedded {
	t.Helper()
	e := newEmbedded(t)
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	app := &App{Stderr: &lockedBuffer{}, Getenv: getenv, Now: time.Now}
	d, err := app.loadDesk(e.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- app.serve(ctx, d, slog.New(filedHandler{slog.DiscardHandler, e.filed}), func(url string) { ready <- url })
	}()
	stopped := false
	e.stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Errorf("the daemon ended with %v", err)
			}
		}
	}
	t.Cleanup(e.stop)
	select {
	case e.url = <-ready:
	case err := <-ended:
		t.Fatalf("the daemon does not start: %v", err)
	}
	return e
}

// deliver puts a mail into soporte and waits until it is filed.
func (e *embedded) deliver(t *testing.T, raw string) {
	t.Helper()
	if err := e.server.Deliver("soporte", "INBOX", []byte(strings.ReplaceAll(raw, "\n", "\r\n")), time.Now()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.filed:
	case <-time.After(20 * time.Second):
		t.Fatal("the mail is not filed")
	}
}

func runStatus(t *testing.T, args ...string) (report statusReport, text, stderr string, code int) {
	t.Helper()
	run := func(args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		app := App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Now: time.Now}
		code := app.Run(t.Context(), append([]string{"status"}, args...))
		return out.String(), errs.String(), code
	}
	out, _, _ := run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("status --json prints %q: %v", out, err)
	}
	text, stderr, code = run(args...)
	return report, text, stderr, code
}

// TestStatus asks a daemon with a well and a sick mailbox by all ways, tells the
// service manager of it, and asks the file once the daemon is gone.
func TestStatus(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	getenv, receive := manager(t, address)
	e := startEmbedded(t, getenv)
	if got := receive(); !strings.HasPrefix(got, "READY=1\nSTATUS=") {
		t.Errorf("the service manager is told %q", got)
	}
	e.deliver(t, "Message-ID: <1@example.org>\nFrom: ana@example.org\nSubject: lector\n\nNo captura.\n")
	// The answer says at some moment that pqrsa was refused and soporte taken.
	for deadline := time.Now().Add(20 * time.Second); ; {
		r, _, _, _ := runStatus(t, "--db", e.db)
		if len(r.Mailboxes) == 2 && r.Stats.Tickets == 1 && !r.Mailboxes[0].LastSuccess.IsZero() && r.Mailboxes[1].Error != "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the mailboxes stay as %+v", r.Mailboxes)
		}
	}

	for _, way := range [][]string{{"--db", e.db}, {"--config", e.config}, {"--server", e.url}} {
		r, text, stderr, code := runStatus(t, way...)
		if code != exitDone || stderr != "" {
			t.Errorf("%v: exit code %d, %s", way, code, stderr)
		}
		if !r.Running || r.URL != e.url || r.Stats.Tickets != 1 || r.StoreBytes <= 0 || len(r.Mailboxes) != 2 || r.Version == "" {
			t.Errorf("%v: %+v", way, r)
		} else if well, sick := r.Mailboxes[0], r.Mailboxes[1]; !well.Connected || well.LastSuccess.IsZero() || sick.Connected || sick.Error == "" || !sick.LastSuccess.IsZero() || well.Stale || sick.Stale {
			t.Errorf("%v: mailboxes %+v", way, r.Mailboxes)
		}
		if want := os.Getpid(); way[0] != "--server" && r.PID != want {
			t.Errorf("%v: pid %d, want %d", way, r.PID, want)
		}
		for _, want := range []string{"running", e.url, "mailbox soporte", "connected, last success 20", "mailbox pqrsa", "not connected, last success never, error since", "1 open"} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: the text lacks %q:\n%s", way, want, text)
			}
		}
	}

	e.stop()
	r, text, stderr, code := runStatus(t, "--db", e.db)
	if code != exitFailed || !strings.Contains(stderr, "the daemon is not running") || !strings.Contains(text, "not running") || r.Running || r.Stats.Tickets != 1 {
		t.Errorf("without a daemon: exit code %d, %s%s%+v", code, stderr, text, r)
	}
}

// TestStatusStale holds that a stale mailbox makes the command fail.
func TestStatusStale(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "desk.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(time.Minute)
	w.began = time.Now().Add(-time.Hour)
	var m mailboxState
	w.mailboxes = []watched{{"soporte", m.get}}
	serveWeb(t, s, w, l)
	r, text, stderr, code := runStatus(t, "--server", "http://"+l.Addr().String())
	if code != exitFailed || !strings.Contains(stderr, "mailbox soporte is stale") || !strings.Contains(text, "STALE, not connected, last success never") || !r.Mailboxes[0].Stale {
		t.Errorf("exit code %d, %s%s%+v", code, stderr, text, r)
	}
}

// serveWeb answers on l for a store and a watch of the test.
func serveWeb(t *testing.T, s *store.Store, w *watch, l net.Listener) {
	t.Helper()
	d, err := newDesk(defaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	srv, err := web.NewServer(web.Options{Store: s, Terms: d.calendar.Deadline, Version: "test", Health: w.health})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

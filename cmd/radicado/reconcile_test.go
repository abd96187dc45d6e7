package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/ingest/imap/imaptest"
	"radicado/store"
	"radicado/ticket"
)

// checkDesk is a server with four mails, of which the ledger has 1 and 2 and
// whose cursor is at 2.
type checkDesk struct {
	server *imaptest.Server
	config string
	db     string
	out    *bytes.Buffer
	errs   *bytes.Buffer
}

func newCheckDesk(t *testing.T) *checkDesk {
	t.Helper()
	server, err := imaptest.Start(map[string]string{"soporte": "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for n := range 4 {
		raw := fmt.Sprintf("Message-ID: <%d@x>\r\nFrom: ana@example.org\r\nSubject: correo %d\r\n\r\nhola\r\n", n, n)
		if err := server.Deliver("soporte", "INBOX", []byte(raw), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	d := &checkDesk{server: server, config: filepath.Join(dir, "desk.toml"), db: filepath.Join(dir, "desk.db"), out: new(bytes.Buffer), errs: new(bytes.Buffer)}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`
[store]
path = %q
[web]
listen = "127.0.0.1:0"
[[mailbox]]
name = "soporte"
address = "soporte@example.com"
[mailbox.imap]
server = %q
security = "none"
username = "soporte"
password_file = %q
`, d.db, server.Addr(), password)
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// fill records outcomes and puts the cursor at the last of them, or further.
func (d *checkDesk) fill(t *testing.T, cursor ticket.UID, uids ...ticket.UID) {
	t.Helper()
	src := d.source(t)
	list, err := src.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	validity := list[0].UIDValidity
	s, err := store.Open(d.db, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		var errs []error
		for _, uid := range uids {
			errs = append(errs, tx.PutOutcome(ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: validity, UID: uid}, ticket.Outcome{Disposition: ticket.DispositionDuplicate, At: time.Now()}))
		}
		return errors.Join(append(errs, tx.AdvanceCursor("soporte", "INBOX", validity, 0, cursor, time.Now()))...)
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func (d *checkDesk) app() *App {
	d.out.Reset()
	d.errs.Reset()
	return &App{Stdin: strings.NewReader(""), Stdout: d.out, Stderr: d.errs, Getenv: func(string) string { return "" }, Now: time.Now}
}

func (d *checkDesk) source(t *testing.T) *imap.Source {
	t.Helper()
	src, err := imap.New(imap.Options{Mailbox: "soporte", Server: d.server.Addr(), Security: imap.SecurityNone, Username: "soporte",
		Password: func(context.Context) (string, error) { return "secret", nil }})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestCheckServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		cursor ticket.UID
		uids   []ticket.UID
		code   int
		says   string
	}{
		{"waiting is no error", 2, []ticket.UID{1, 2}, 0, "2 taken, 2 waiting, 0 unexplained"},
		{"all taken, one moved away", 9, []ticket.UID{1, 2, 3, 4, 9}, 0, "4 taken, 0 waiting, 0 unexplained"},
		{"gaps", 4, []ticket.UID{1}, 1, "unexplained uids: 2:4"},
	} {
		d := newCheckDesk(t)
		d.fill(t, c.cursor, c.uids...)
		if code := d.app().Run(t.Context(), []string{"check", "--config", d.config, "--server"}); code != c.code || !strings.Contains(d.out.String(), c.says) {
			t.Errorf("%s: exit %d\n%s%s", c.name, code, d.out, d.errs)
		}
		d.app().Run(t.Context(), []string{"check", "--config", d.config, "--server", "--json"})
		var r ingest.Reckoning
		if err := json.Unmarshal(d.out.Bytes(), &r); err != nil || r.Folder != "INBOX" || r.Cursor != c.cursor || (len(r.Unexplained) > 0) != (c.code == 1) {
			t.Errorf("%s: %v in %s", c.name, err, d.out)
		}
	}
}

// TestCheckServerBesideDaemon: while a daemon holds the file its API tells the
// ledger, and requeue goes through it too.
func TestCheckServerBesideDaemon(t *testing.T) {
	d := newCheckDesk(t)
	daemon := startDaemon(t, d.config)
	daemon.wait(t, 4, 30*time.Second)
	code := d.app().Run(t.Context(), []string{"check", "--config", d.config, "--server"})
	if code != 0 || !strings.Contains(d.out.String(), "4 taken, 0 waiting, 0 unexplained") || !strings.Contains(d.errs.String(), "daemon holds") {
		t.Errorf("check: exit %d\n%s%s", code, d.out, d.errs)
	}
	year := time.Now().In(ticket.Bogota).Year()
	code = d.app().Run(t.Context(), []string{"requeue", "--config", d.config, fmt.Sprintf("%d-000001", year)})
	if code != 1 || !strings.Contains(d.errs.String(), "not in quarantine") {
		t.Errorf("requeue: exit %d\n%s%s", code, d.out, d.errs)
	}
	if code = d.app().Run(t.Context(), []string{"queue", "--config", d.config, "--unfiled"}); code != 0 {
		t.Errorf("queue --unfiled: exit %d\n%s", code, d.errs)
	}
	daemon.stop(t)
}

// fakeServer lists what each call is to list.
type fakeServer struct {
	lists [][]ticket.UID
	err   error
}

func (f *fakeServer) List(context.Context) ([]imap.FolderUIDs, error) {
	if f.err != nil {
		return nil, f.err
	}
	l := f.lists[0]
	if len(f.lists) > 1 {
		f.lists = f.lists[1:]
	}
	return []imap.FolderUIDs{{Folder: "INBOX", UIDValidity: 7, UIDs: l}}, nil
}

func TestReconciler(t *testing.T) {
	var log bytes.Buffer
	recorded := func(context.Context, string, string, uint32) (ticket.Cursor, []ticket.UID, error) {
		return ticket.Cursor{UIDValidity: 7, Last: 5}, []ticket.UID{1, 2}, nil
	}
	server := &fakeServer{err: errors.New("the server is away")}
	r := &reconciler{recorded: recorded, log: slog.New(slog.NewTextHandler(&log, nil))}
	r.add("soporte", server)
	got := func() (n []int64) {
		r.unexplained(func(_ string, v int64) { n = append(n, v) })
		return n
	}
	r.once(t.Context())
	if n := got(); n != nil {
		t.Errorf("without a comparison: %v", n)
	}
	server.err, server.lists = nil, [][]ticket.UID{{1, 2, 3, 4, 6}, {1, 2, 4, 6}}
	r.once(t.Context())
	if n := got(); !slices.Equal(n, []int64{1}) || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "uids=4") {
		t.Errorf("a gap and a mail that vanished: %v\n%s", n, log.String())
	}
	server.err = errors.New("the server is away")
	r.once(t.Context())
	if n := got(); !slices.Equal(n, []int64{1}) {
		t.Errorf("what cannot be compared changed the number to %v", n)
	}
	server.err, server.lists = nil, [][]ticket.UID{{1, 2, 6}}
	r.once(t.Context())
	if n := got(); !slices.Equal(n, []int64{0}) {
		t.Errorf("after it was explained: %v", n)
	}
	if err := r.run(t.Context(), 0); err != nil {
		t.Errorf("turned off: %v", err)
	}
}

func TestUIDRanges(t *testing.T) {
	for _, c := range []struct {
		uids []ticket.UID
		most int
		want string
	}{
		{nil, 0, ""}, {[]ticket.UID{3}, 0, "3"}, {[]ticket.UID{3, 4, 5, 9}, 0, "3:5,9"}, {[]ticket.UID{1, 3, 5}, 2, "1,3,..."}, {[]ticket.UID{1, 3}, 2, "1,3"},
	} {
		if got := uidRanges(c.uids, c.most); got != c.want {
			t.Errorf("%v: %q, want %q", c.uids, got, c.want)
		}
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"radicado/ingest/imap/dovecottest"
	"radicado/store"
	"radicado/testdata/mailgen"
	"radicado/ticket"
)

// expected is what must become of one mail of the test.
type expected struct {
	raw         []byte
	mailbox     string
	disposition ticket.Disposition
	answers     string // Message-ID of the mail whose ticket it joins
}

// correspondence writes 250 mails for each mailbox: new ones of several sizes,
// replies, automatic ones, and some that come to both.
func correspondence() map[string]expected {
	mails := map[string]expected{}
	for i := range 250 {
		for _, mailbox := range []string{"soporte", "pqrsa"} {
			id := fmt.Sprintf("%d.%s@cliente%d.example.org", i, mailbox, i%17)
			before := fmt.Sprintf("%d.%s@cliente%d.example.org", i-1, mailbox, (i-1)%17)
			head := fmt.Sprintf("Message-ID: <%s>\r\nDate: %s\r\nFrom: Ana Muñoz <ana@cliente%d.example.org>\r\nTo: %s@example.com\r\nSubject: caso %d\r\n",
				id, mailgen.Received(i).Format(time.RFC1123Z), i%17, mailbox, i)
			e := expected{mailbox: mailbox, disposition: ticket.DispositionNew}
			var raw bytes.Buffer
			raw.WriteString(head)
			switch i % 10 {
			case 3:
				raw.Reset()
				mailgen.WriteAttachment(&raw, uint64(len(mailbox)), i, 300_000)
				id = strings.TrimSuffix(strings.SplitAfter(strings.SplitAfter(raw.String(), "Message-ID: <")[1], ">")[0], ">")
			case 7:
				fmt.Fprintf(&raw, "In-Reply-To: <%s>\r\n\r\nSigue igual.\r\n", before)
				e.disposition, e.answers = ticket.DispositionReply, before
			case 8:
				fmt.Fprintf(&raw, "Auto-Submitted: auto-replied\r\nIn-Reply-To: <nadie@example.org>\r\n\r\nEstoy fuera de la oficina.\r\n")
				e.disposition = ticket.DispositionAutoReply
			default:
				fmt.Fprintf(&raw, "Content-Type: text/plain; charset=utf-8\r\n\r\nEl lector número %d de la oficina no captura la huella.\r\n", i)
			}
			e.raw = raw.Bytes()
			mails[id] = e
		}
	}
	return mails
}

// TestServeWithDovecot runs the daemon against a real server: 500 mails in two
// mailboxes over TLS become the right tickets although the daemon is stopped on
// the way; a mail that comes while it idles is a ticket within two seconds; the
// other commands work through the daemon's API meanwhile.
func TestServeWithDovecot(t *testing.T) {
	server := dovecottest.Start(t, "soporte", "pqrsa")
	dir := t.TempDir()
	db := filepath.Join(dir, "desk.db")
	var config strings.Builder
	fmt.Fprintf(&config, "[store]\npath = %q\n[web]\nlisten = \"127.0.0.1:0\"\n", db)
	for _, m := range []string{"soporte", "pqrsa"} {
		if err := os.WriteFile(filepath.Join(dir, m+".pass"), []byte(server.Password(m)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		calendar := map[string]string{"soporte": "24x7", "pqrsa": "pqrsa"}[m]
		fmt.Fprintf(&config, "[[mailbox]]\nname = %q\naddress = \"%s@example.com\"\ncalendar = %q\n[mailbox.imap]\nserver = %q\nsecurity = \"tls\"\nca_file = %q\nusername = %q\npassword_file = \"%s.pass\"\n",
			m, m, calendar, server.TLSAddr(), server.CAFile(), m, m)
	}
	path := filepath.Join(dir, "radicado.toml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	mails := correspondence()
	if len(mails) != 500 {
		t.Fatalf("%d mails, want 500", len(mails))
	}
	for i := range 250 { // replies after what they answer
		for id, e := range mails {
			if strings.HasPrefix(id, fmt.Sprintf("%d.", i)) || strings.HasPrefix(id, fmt.Sprintf("gen-%d-", i)) {
				if err := server.Deliver(e.mailbox, e.raw); err != nil {
					t.Fatal(err)
				}
			}
		}
	}

	first := startDaemon(t, path)
	before := len(first.wait(t, 120, time.Minute))
	log := first.stop(t)
	taken := strings.Count(log, `msg="mail filed"`)
	if taken >= 500 {
		t.Fatalf("all %d mails were taken before the daemon was stopped; it was to be stopped on the way", taken)
	}
	t.Logf("stopped after %d of 500 mails (%d seen)", taken, before)

	second := startDaemon(t, path)
	second.wait(t, 500-taken, time.Minute)

	// While it idles: from delivery to a ticket on disk.
	const late = "tarde@cliente.example.org"
	raw := []byte("Message-ID: <" + late + ">\r\nFrom: ana@cliente.example.org\r\nSubject: tarde\r\n\r\nNo captura.\r\n")
	began := time.Now()
	if err := server.Deliver("pqrsa", raw); err != nil {
		t.Fatal(err)
	}
	second.wait(t, 1, 10*time.Second)
	took := time.Since(began)
	t.Logf("a mail delivered while it idles is a ticket after %v", took.Round(time.Millisecond))
	if took > 2*time.Second {
		t.Errorf("a mail delivered while it idles is a ticket after %v, want 2 s at most", took)
	}
	mails[late] = expected{raw: raw, mailbox: "pqrsa", disposition: ticket.DispositionNew}

	checkCommandsThroughDaemon(t, db)

	log += second.stop(t)
	if n := strings.Count(log, `msg="mail filed"`); n != 501 {
		t.Errorf("%d mails were filed by both runs, want 501: each once", n)
	}
	for _, m := range []string{"soporte", "pqrsa"} {
		if strings.Contains(log, server.Password(m)) {
			t.Error("a password is in the log")
		}
	}
	if _, err := os.Stat(daemonPath(db)); !os.IsNotExist(err) {
		t.Errorf("the daemon file is left behind: %v", err)
	}
	checkCorrespondence(t, db, mails)
	for _, m := range []string{"soporte", "pqrsa"} {
		checkSeen(t, server.Maildir(m))
	}
}

// checkCommandsThroughDaemon runs other commands while the daemon holds the
// database.
func checkCommandsThroughDaemon(t *testing.T, db string) {
	t.Helper()
	run := func(args ...string) string {
		var stdout, stderr bytes.Buffer
		app := App{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Now: time.Now}
		if code := app.Run(t.Context(), append(args, "--db", db)); code != exitDone {
			t.Errorf("%v: exit code %d: %s", args, code, stderr.String())
		}
		return stdout.String()
	}
	var stats store.Stats
	if err := json.Unmarshal([]byte(run("stats", "--json")), &stats); err != nil || stats.Messages != 501 {
		t.Errorf("stats through the daemon: %d messages, %v", stats.Messages, err)
	}
	if n := strings.Count(run("queue", "--limit", "0", "--json"), "\n"); n != stats.Tickets {
		t.Errorf("queue through the daemon lists %d tickets, stats say %d", n, stats.Tickets)
	}
	run("set", "2026-000001", "--assignee", "luz")
	if out := run("show", "2026-000001"); !strings.Contains(out, "lead "+login()+": assignee luz") {
		t.Errorf("the change is not in the history:\n%s", out)
	}
	out := t.TempDir()
	run("export", "--format", "eml", "--out", out)
	if files, err := os.ReadDir(out); err != nil || len(files) < stats.Tickets {
		t.Errorf("%d originals exported, %v", len(files), err)
	}
}

// checkCorrespondence compares the store with what was delivered.
func checkCorrespondence(t *testing.T, db string, mails map[string]expected) {
	t.Helper()
	s := openStore(t, db)
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages != len(mails) || stats.ByDisposition[ticket.DispositionDuplicate] != 0 {
		t.Errorf("%d messages and %d duplicates, want %d and 0", stats.Messages, stats.ByDisposition[ticket.DispositionDuplicate], len(mails))
	}
	opened := map[ticket.Number]bool{}
	err = s.View(t.Context(), func(tx *store.Tx) error {
		ticketOf := func(id string) (ticket.Message, ticket.Filing) {
			found, err := tx.MessagesByID(id)
			if err != nil || len(found) != 1 || len(found[0].Filings) != 1 {
				t.Errorf("%s: %d messages, %v", id, len(found), err)
				return ticket.Message{}, ticket.Filing{}
			}
			return found[0], found[0].Filings[0]
		}
		for id, want := range mails {
			m, f := ticketOf(id)
			if f.Mailbox != want.mailbox || f.Disposition != want.disposition {
				t.Errorf("%s is %s in %s, want %s in %s", id, f.Disposition, f.Mailbox, want.disposition, want.mailbox)
			}
			if m.Size != int64(len(want.raw)) {
				t.Errorf("%s has %d bytes, want %d", id, m.Size, len(want.raw))
			}
			switch want.disposition {
			case ticket.DispositionNew:
				if opened[f.Ticket] {
					t.Errorf("ticket %s was opened by two mails", f.Ticket)
				}
				opened[f.Ticket] = true
			case ticket.DispositionReply:
				if _, answered := ticketOf(want.answers); f.Ticket != answered.Ticket {
					t.Errorf("%s joined %s, want %s", id, f.Ticket, answered.Ticket)
				}
			case ticket.DispositionAutoReply:
				if !f.Ticket.IsZero() {
					t.Errorf("an automatic mail is in ticket %s", f.Ticket)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(opened) != stats.Tickets {
		t.Errorf("%d tickets, want %d", stats.Tickets, len(opened))
	}
}

// checkSeen looks for mails that the daemon stored but did not mark.
func checkSeen(t *testing.T, maildir string) {
	t.Helper()
	unseen := 0
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(maildir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			_, flags, _ := strings.Cut(e.Name(), ":2,")
			if !strings.Contains(flags, "S") {
				unseen++
			}
		}
	}
	if unseen > 0 {
		t.Errorf("%d mails in %s are stored but not marked as seen", unseen, maildir)
	}
}

// TestDemo runs the demo fast and ends it as Ctrl-C does.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	db := filepath.Join(t.TempDir(), "demo.db")
	app := App{Stdin: strings.NewReader(""), Stdout: w, Stderr: io.Discard, Getenv: os.Getenv, Now: time.Now}
	code := make(chan int, 1)
	go func() {
		code <- app.Run(ctx, []string{"demo", "--over", "100ms", "--db", db})
		w.Close()
	}()
	filed, mailboxes := 0, map[string]bool{}
	want := -1
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "All %d sample mails are delivered.", &n); err == nil {
			want = n
		}
		if len(fields) >= 3 && (fields[1] == "soporte" || fields[1] == "pqrsa") {
			filed++
			mailboxes[fields[1]] = true
		}
		if filed == want {
			cancel()
		}
	}
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d", c)
	}
	if filed != want || len(mailboxes) != 2 {
		t.Errorf("%d of %d mails in %d mailboxes", filed, want, len(mailboxes))
	}
	s := openStore(t, db)
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Tickets == 0 || stats.ByMailbox["pqrsa"].Tickets == 0 {
		t.Errorf("stats after the demo: %+v", stats)
	}
}

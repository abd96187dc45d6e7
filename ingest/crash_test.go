package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"radicado/ingest"
	"radicado/store"
	"radicado/ticket"
)

// crashDB makes the test binary file mails into this database until it is
// killed, and print each UID once it is on disk.
const crashDB = "RADICADO_TEST_CRASH_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashDB); path != "" {
		if err := fileUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func crashMail(uid ticket.UID) string {
	body := fmt.Sprintf("caso %d", uid)
	if uid%7 == 0 {
		body += strings.Repeat("\r\nrelleno que no se comprime bien "+strconv.Itoa(int(uid)*7919), 3000)
	}
	return letter(body, fmt.Sprintf("Message-ID: <%d@crash>", uid), "From: a@x.example.org", "Subject: caso")
}

func fileUntilKilled(path string) error {
	ctx := context.Background()
	s, err := store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	now := clock
	p := newPipeline(&testing.T{}, s, &now)
	cursor, err := p.Cursor(ctx, "soporte", "INBOX")
	if err != nil {
		return err
	}
	type queued struct {
		uid ticket.UID
		p   ingest.Pending
	}
	queue := make(chan queued, 32)
	go func() {
		for q := range queue {
			if _, err := q.p.Wait(ctx); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Println(q.uid)
		}
	}()
	for uid := cursor.Last + 1; ; uid++ {
		pending, err := p.Take(ctx, onServer(uid, uid-1, crashMail(uid)))
		if err != nil {
			return err
		}
		queue <- queued{uid, pending}
	}
}

// TestKilledProcess kills a process that files mails, again and again, and
// looks at what it leaves: what was reported as stored is there, nothing is
// there by half, no mail is missing or doubled, numbers have no gap.
func TestKilledProcess(t *testing.T) {
	const rounds = 8
	path := filepath.Join(t.TempDir(), "crash.db")
	reported := ticket.UID(0)
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDB+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		// Kill it at another moment of its work each time.
		for n := 0; lines.Scan(); n++ {
			uid, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			reported = ticket.UID(uid)
			if n == 5+round*13 {
				if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); stderr.Len() > 0 {
			t.Fatalf("the child failed: %v: %s", err, stderr.String())
		}
		checkAfterCrash(t, path, reported)
	}
}

func checkAfterCrash(t *testing.T, path string, reported ticket.UID) {
	t.Helper()
	s, err := store.Open(path, store.Options{LockTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	problems, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("check: %v", p)
	}
	var cursor ticket.Cursor
	err = s.View(t.Context(), func(tx *store.Tx) (err error) {
		if cursor, err = tx.Cursor("soporte", "INBOX"); err != nil {
			return err
		}
		for uid := ticket.UID(1); uid <= cursor.Last; uid++ {
			o, err := tx.Outcome(ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 7, UID: uid})
			if err != nil {
				return fmt.Errorf("outcome of uid %d: %w", uid, err)
			}
			if want := (ticket.Number{Year: 2026, Seq: uint32(uid)}); o.Disposition != ticket.DispositionNew || o.Ticket != want {
				return fmt.Errorf("uid %d is %s %s, want %s", uid, o.Disposition, o.Ticket, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if cursor.Last < reported {
		t.Errorf("uid %d was reported as stored, the cursor is at %d", reported, cursor.Last)
	}
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages != int(cursor.Last) || stats.Tickets != int(cursor.Last) {
		t.Errorf("%d messages and %d tickets up to uid %d", stats.Messages, stats.Tickets, cursor.Last)
	}
}

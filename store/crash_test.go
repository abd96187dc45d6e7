package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"radicado/ticket"
)

// The child's orders: "point n path", the n-th time at a point being its last.
const crashEnv = "RADICADO_STORE_CRASH"

// crashMails is more than the child lives to store.
const crashMails = 60

// TestCrashChild is the program that is killed. It stores mails, six at a time,
// and prints the number of each one acknowledged.
func TestCrashChild(t *testing.T) {
	orders := os.Getenv(crashEnv)
	if orders == "" {
		t.Skip("runs only as a child of TestCrash")
	}
	var point, path string
	var at int64
	if _, err := fmt.Sscan(orders, &point, &at, &path); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	die := func() {
		if n.Add(1) == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal may take a moment
		}
	}
	var h hooks
	switch point {
	case "before-commit":
		h.beforeCommit = func() error { die(); return nil }
	case "after-commit":
		h.afterCommit = die
	case "after-chunk":
		h.afterChunk = die
	default:
		t.Fatalf("point %q", point)
	}
	s, err := Open(path, Options{hooks: h})
	if err != nil {
		t.Fatal(err)
	}
	var acks []<-chan error
	first := 1
	for i := 1; i <= crashMails; i++ {
		size := 1000
		if i%4 == 0 {
			size = 700_000 // three chunks
		}
		ack, err := storeMail(s, i, size)
		if err != nil {
			t.Fatal(err)
		}
		if acks = append(acks, ack); len(acks) < 6 {
			continue
		}
		for _, ack := range acks {
			if err := <-ack; err != nil {
				t.Fatal(err)
			}
			fmt.Printf("\nack %d\n", first)
			first++
		}
		acks = acks[:0]
	}
	t.Fatal("it was to be killed")
}

func TestCrash(t *testing.T) {
	for _, point := range []string{"before-commit", "after-commit", "after-chunk"} {
		for _, at := range []int{1, 2, 3, 7, 12} {
			t.Run(point+"-"+strconv.Itoa(at), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "radicado.db")
				cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
				cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", crashEnv, point, at, path))
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the child ended otherwise: %v\n%s", err, out)
				}
				acked := 0
				for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
					if n, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
						if acked, err = strconv.Atoi(n); err != nil {
							t.Fatal(err)
						}
					}
				}
				if point == "after-chunk" {
					hasPending(t, path)
				}
				afterCrash(t, path, acked)
			})
		}
	}
}

// hasPending makes sure that the kill left something to be swept.
func hasPending(t *testing.T, path string) {
	t.Helper()
	s, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, p := range mustCheck(t, s) {
		if p.Bucket == string(bucketPending) {
			return
		}
	}
	t.Error("nothing was pending after a kill between chunks")
}

// afterCrash opens the store and looks that nothing acknowledged is lost and
// nothing is there by half, then goes on where the child was killed.
func afterCrash(t *testing.T, path string, acked int) {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer checkAndClose(t, s)
	ctx := context.Background()
	if problems := mustCheck(t, s); len(problems) > 0 {
		t.Fatalf("after the crash: %v", problems)
	}
	st, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stored := st.Tickets
	if stored < acked || stored > acked+6 {
		t.Errorf("%d mails acknowledged, %d tickets", acked, stored)
	}
	if st.Messages != stored {
		t.Errorf("%d tickets, %d messages", stored, st.Messages)
	}
	for i := 1; i <= stored; i++ {
		d, err := s.Detail(ctx, ticket.Number{Year: 2026, Seq: uint32(i)})
		if err != nil || len(d.Thread) != 1 || len(d.Events) != 2 || d.Thread[0].Mail.Text == "" {
			t.Errorf("ticket %d: %d messages, %d events, %v", i, len(d.Thread), len(d.Events), err)
		}
	}
	var c ticket.Cursor
	err = s.View(ctx, func(tx *Tx) (err error) { c, err = tx.Cursor("soporte", "INBOX"); return err })
	if err != nil || int(c.Last) != stored {
		t.Errorf("%d tickets, cursor at %d: %v", stored, c.Last, err)
	}
	for i := stored + 1; i <= stored+5; i++ {
		mustStoreMail(t, s, i, 300_000)
	}
}

// TestFileTooLargeChild runs under a limit on the size of files, as on a disk
// that is full: writes fail in bbolt itself.
func TestFileTooLargeChild(t *testing.T) {
	path := os.Getenv(crashEnv + "_FULL")
	if path == "" {
		t.Skip("runs only as a child of TestFileTooLarge")
	}
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	limit := syscall.Rlimit{Cur: 20 << 20, Max: 1 << 40}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("no limit can be set: %v", err)
	}
	i := 0
	for err = nil; err == nil; {
		if i++; i > 100 {
			t.Fatal("the limit was never felt")
		}
		var ack <-chan error
		if ack, err = storeMail(s, i, 700_000); err == nil {
			err = <-ack
		}
	}
	t.Logf("mail %d: %v", i, err)
	if err := s.Update(context.Background(), func(tx *Tx) error {
		return tx.AdvanceCursor("pqrsa", "INBOX", 1, 0, 1, t0)
	}); err != nil {
		t.Logf("a small update on the full disk: %v", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SweepBlobs(context.Background(), 0); err != nil {
		t.Errorf("sweep: %v", err)
	}
	for range 5 {
		mustStoreMail(t, s, i, 700_000)
		i++
	}
	checkAndClose(t, s)
	fmt.Printf("\nack %d\n", i-1)
}

func TestFileTooLarge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "radicado.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestFileTooLargeChild$", "-test.v")
	cmd.Env = append(os.Environ(), crashEnv+"_FULL="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, n, ok := strings.Cut(string(out), "\nack ")
	if !ok {
		t.Skipf("the child did not run:\n%s", out)
	}
	n, _, _ = strings.Cut(n, "\n")
	acked, err := strconv.Atoi(n)
	if err != nil {
		t.Fatal(err)
	}
	afterCrash(t, path, acked)
}

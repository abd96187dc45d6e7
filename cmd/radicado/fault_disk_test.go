package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"radicado/ingest/imap/servertest"
)

// mountTmpfs mounts a file system of its own. Only root may.
func mountTmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "radicado-test", dir).CombinedOutput()
	if err != nil {
		if os.Getuid() == 0 && os.Getenv(servertest.RequireServers) == "1" {
			t.Fatalf("mount: %v: %s", err, out)
		}
		t.Skipf("a file system of its own needs root and the right to mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill leaves no space in a file system and returns how to give it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("fill the disk: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultDiskFull fills the disk under a running daemon. Nothing is marked
// that is not stored; the log says why; and it goes on by itself once there is
// space. No mail pays for it with its place in quarantine.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	dir := mountTmpfs(t, "64m")
	d := newFaultDesk(t, "seen", filepath.Join(dir, "desk.db"))
	d.mustDeliver(t, 5, 0)
	p := d.start(t)
	d.waitStored(t, p)

	from := len(p.text())
	free := fill(t, dir)
	for range 5 {
		d.mustDeliver(t, 1, 600_000)
		d.mustDeliver(t, 3, 20_000)
	}
	// More often than a single mail is tried before it is quarantined.
	within(t, faultLimit, "a mailbox has met the full disk four times", func() bool {
		met := map[string]int{}
		for line := range strings.Lines(p.text()[from:]) {
			if strings.Contains(line, `msg="imap session ended"`) && strings.Contains(line, "no space left on device") {
				for _, m := range faultMailboxes {
					if strings.Contains(line, "mailbox="+m) {
						met[m]++
					}
				}
			}
		}
		return met["soporte"] >= 4 || met["pqrsa"] >= 4
	})
	for _, m := range faultMailboxes {
		for _, f := range seenIn(t, d.server.Maildir(m)) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			// A mail is logged before it is marked, but through a pipe.
			line := fmt.Sprintf("sha256=%x", sha256.Sum256(raw))
			within(t, faultLimit, filepath.Base(f)+" is marked, so it is filed", func() bool { return strings.Contains(p.text(), line) })
		}
	}
	free()
	d.waitStored(t, p)
	p.stop(t)
	if n := d.report(t); n != 0 {
		t.Errorf("%d duplicates", n)
	}
}

// TestFaultReadOnly starts the daemon on a database that cannot be written: it
// says so and touches no mail, and all is taken once it can.
func TestFaultReadOnly(t *testing.T) {
	t.Parallel()
	dir := mountTmpfs(t, "64m")
	d := newFaultDesk(t, "seen", filepath.Join(dir, "desk.db"))
	d.mustDeliver(t, 5, 0)
	first := d.start(t)
	d.waitStored(t, first)
	first.stop(t)

	remount := func(how string) {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,"+how, dir).CombinedOutput(); err != nil {
			t.Fatalf("remount %s: %v: %s", how, err, out)
		}
	}
	remount("ro")
	d.mustDeliver(t, 5, 0)
	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), faultLimit)
	defer cancel()
	refused := radicado(ctx, "serve", "--config", d.config)
	refused.Stdout, refused.Stderr = io.Discard, &stderr
	err := refused.Run()
	if code := refused.ProcessState.ExitCode(); err == nil || code != exitFailed {
		t.Errorf("the daemon ended with %v, want exit code %d", err, exitFailed)
	}
	if !strings.Contains(stderr.String(), d.db) || !strings.Contains(stderr.String(), "read-only file system") {
		t.Errorf("the daemon does not say what is wrong: %s", stderr.String())
	}
	for _, m := range faultMailboxes {
		if n := len(seenIn(t, d.server.Maildir(m))); n > 5 {
			t.Errorf("%d mails of %s are marked; 5 are stored", n, m)
		}
	}
	remount("rw")
	second := d.start(t)
	d.waitStored(t, second)
	second.stop(t)
	if n := d.report(t); n != 0 {
		t.Errorf("%d duplicates", n)
	}
}

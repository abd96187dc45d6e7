package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ingest/files"
	"radicado/store"
	"radicado/testdata/mailgen"
	"radicado/ticket"
)

// radicado returns a command that runs the program as a process.
func radicado(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asRadicado+"=1")
	return cmd
}

// peakRSS returns the most memory that an ended process held, in bytes.
func peakRSS(t testing.TB, s *os.ProcessState) int64 {
	t.Helper()
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok || runtime.GOOS != "linux" {
		t.Skip("the peak memory of a process is read on Linux only")
	}
	return u.Maxrss << 10
}

func writeFile(t testing.TB, path string, write func(io.Writer) error) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriterSize(f, 1<<20)
	if err := write(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLargeMailInBoundedMemory replays one mail of 40 MB.
func TestLargeMailInBoundedMemory(t *testing.T) {
	const limit = 200 << 20
	dir := t.TempDir()
	mail := filepath.Join(dir, "large.eml")
	writeFile(t, mail, func(w io.Writer) error { return mailgen.WriteAttachment(w, 1, 1, 40<<20*3/4) })
	info, err := os.Stat(mail)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 40<<20 {
		t.Fatalf("the mail has %d bytes, want 40 MiB", info.Size())
	}
	db := filepath.Join(dir, "large.db")
	cmd := radicado(t.Context(), "replay", "--db", db, "--mailbox", "soporte", mail)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rss := peakRSS(t, cmd.ProcessState)
	t.Logf("%d MB mail: peak RSS %d MB", info.Size()/1e6, rss/1e6)
	if rss > limit && !raceEnabled {
		t.Errorf("peak RSS %d MB, want under %d MB", rss/1e6, limit/1000000)
	}
	// The original comes back byte for byte.
	back := filepath.Join(dir, "out")
	if out, err := radicado(t.Context(), "export", "--db", db, "--format", "eml", "--out", back).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(mail)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(back, "2026-000001-01.eml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the exported original differs")
	}
}

// garbage is what no mail program writes.
func garbage() map[string][]byte {
	random := make([]byte, 100_000)
	r := rand.NewChaCha8([32]byte{7})
	r.Read(random)
	var nested strings.Builder
	nested.WriteString("From: a@x.example\r\nMIME-Version: 1.0\r\n")
	for i := range 1000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	nested.WriteString("Content-Type: text/plain\r\n\r\nhondo\r\n")
	for i := 999; i >= 0; i-- {
		fmt.Fprintf(&nested, "--b%d--\r\n", i)
	}
	whole := new(bytes.Buffer)
	mailgen.WriteAttachment(whole, 3, 3, 50_000)
	return map[string][]byte{
		"empty":     {},
		"random":    random,
		"nested":    []byte(nested.String()),
		"header":    []byte("From: a@x.example\r\nSubject: x\r\nX-Long: " + strings.Repeat("y", 1<<20) + "\r\n\r\nhola\r\n"),
		"fields":    []byte("From: a@x.example\r\n" + strings.Repeat("X-Many: y\r\n", 100_000) + "\r\nhola\r\n"),
		"truncated": whole.Bytes()[:whole.Len()*2/3],
		"cut-head":  []byte("From: a@x.example\r\nSubj"),
		"zeros":     make([]byte, 10_000),
	}
}

// TestGarbageIsQuarantined files garbage: a ticket with a reason and the
// original for each, exit code 0, and the good mail behind it is filed.
func TestGarbageIsQuarantined(t *testing.T) {
	dir := t.TempDir()
	want := garbage()
	for name, data := range want {
		if err := os.WriteFile(filepath.Join(dir, name+".eml"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "zzz-good.eml"), func(w io.Writer) error { return mailgen.WriteText(w, 1, 1) })
	db := filepath.Join(t.TempDir(), "garbage.db")
	var stdout, stderr bytes.Buffer
	app := App{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Now: func() time.Time { return goldenNow }}
	if code := app.Run(t.Context(), []string{"replay", "--db", db, "--mailbox", "pqrsa", "--json", dir}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if n := strings.Count(stdout.String(), `"disposition":"quarantined"`); n != len(want) {
		t.Errorf("%d tickets in quarantine, want %d:\n%s", n, len(want), stdout.String())
	}
	if !strings.Contains(stdout.String(), `zzz-good.eml","disposition":"new"`) {
		t.Errorf("the good mail is not filed:\n%s", stdout.String())
	}
	s := openStore(t, db)
	yes := true
	page, err := s.Tickets(t.Context(), store.Filter{Quarantined: &yes, Limit: -1})
	if err != nil {
		t.Fatal(err)
	}
	originals := map[string]bool{}
	for _, tk := range page.Tickets {
		if tk.Quarantine == "" || !tk.Review || tk.Due.IsZero() {
			t.Errorf("%s: quarantine %q, review %v, due %v", tk.Number, tk.Quarantine, tk.Review, tk.Due)
		}
		d, err := s.Detail(t.Context(), tk.Number)
		if err != nil {
			t.Fatal(err)
		}
		blob, err := s.OpenBlob(d.Thread[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(blob)
		if err != nil {
			t.Fatal(err)
		}
		blob.Close()
		originals[string(data)] = true
	}
	for name, data := range want {
		if !originals[string(data)] {
			t.Errorf("the original of %s is not kept", name)
		}
	}
}

// BenchmarkReplay files 2,000 generated mails of mixed size from a directory,
// in a process of its own, and reports its peak memory.
func BenchmarkReplay(b *testing.B) {
	const mails = 2000
	dir := b.TempDir()
	size := int64(0)
	for n := range mails {
		path := filepath.Join(dir, fmt.Sprintf("%05d.eml", n))
		writeFile(b, path, func(w io.Writer) error { return mailgen.Write(w, 1, n) })
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		size += info.Size()
	}
	var peak int64
	for b.Loop() {
		db := filepath.Join(b.TempDir(), "bench.db")
		cmd := radicado(b.Context(), "replay", "--db", db, "--mailbox", "soporte", dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		peak = max(peak, peakRSS(b, cmd.ProcessState))
		os.Remove(db)
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(mails/seconds, "mails/s")
	b.ReportMetric(float64(size)/1e6/seconds, "MB/s")
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
}

// BenchmarkReplayText files 2,000 short mails in this process.
func BenchmarkReplayText(b *testing.B) {
	const mails = 2000
	dir := b.TempDir()
	for n := range mails {
		writeFile(b, filepath.Join(dir, fmt.Sprintf("%05d.eml", n)), func(w io.Writer) error { return mailgen.WriteText(w, 1, n) })
	}
	config := defaultConfig()
	config.Mailbox = defaultMailboxes()
	d, err := newDesk(config)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := store.Open(filepath.Join(b.TempDir(), "bench.db"), store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		p, err := d.pipeline(s, time.Now, nil)
		if err != nil {
			b.Fatal(err)
		}
		filed := 0
		err = replay(b.Context(), p, files.Open([]string{dir}, files.Options{}), replayOptions{mailbox: "soporte"}, func(_ files.File, r ingest.Result) error {
			if r.Disposition != ticket.DispositionNew {
				return fmt.Errorf("a mail is %s", r.Disposition)
			}
			filed++
			return nil
		})
		if err != nil || filed != mails {
			b.Fatalf("%d filed: %v", filed, err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(mails*float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

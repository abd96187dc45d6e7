package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"radicado/ingest/imap/dovecottest"
	"radicado/testdata/mailgen"
)

// BenchmarkIngest takes 2,000 mails from Dovecot over TLS, parsed, classified
// and durably stored, and has mbsync only download them, in turns; it reports
// the median of the ratios. Run it with -benchtime 5x.
func BenchmarkIngest(b *testing.B) {
	b.Run("mixed", func(b *testing.B) { benchmarkIngest(b, mailgen.Write) })
	b.Run("text", func(b *testing.B) { benchmarkIngest(b, mailgen.WriteText) })
}

func benchmarkIngest(b *testing.B, write func(w io.Writer, seed uint64, n int) error) {
	const mails = 2000
	mbsync, err := exec.LookPath("mbsync")
	if err != nil {
		b.Skip("mbsync is not installed: apt-get install isync")
	}
	server := dovecottest.Start(b, "soporte")
	size, largest := int64(0), int64(0)
	for n := range mails {
		var raw bytes.Buffer
		if err := write(&raw, 1, n); err != nil {
			b.Fatal(err)
		}
		if err := server.Deliver("soporte", raw.Bytes()); err != nil {
			b.Fatal(err)
		}
		size += int64(raw.Len())
		largest = max(largest, int64(raw.Len()))
	}
	// Dovecot indexes a new mailbox when it is first opened; neither shall pay.
	downloadByMbsync(b, mbsync, server)

	var ratios, ours, theirs []float64
	var peak int64
	for b.Loop() {
		m := downloadByMbsync(b, mbsync, server)
		o, rss := ingestByRadicado(b, server, mails)
		ratios = append(ratios, o.Seconds()/m.Seconds())
		ours, theirs = append(ours, o.Seconds()), append(theirs, m.Seconds())
		peak = max(peak, rss)
	}
	slices.Sort(ratios)
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(ratios[len(ratios)/2], "of-mbsync")
	b.ReportMetric(ours[len(ours)/2], "s")
	b.ReportMetric(theirs[len(theirs)/2], "mbsync-s")
	b.ReportMetric(float64(size)/1e6, "MB")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
	b.ReportMetric(64+2*float64(largest)/(1<<20), "allowed-MiB")
}

func downloadByMbsync(b *testing.B, binary string, server *dovecottest.Server) time.Duration {
	b.Helper()
	dir := b.TempDir()
	_, port, _ := strings.Cut(server.TLSAddr(), ":")
	config := fmt.Sprintf(`IMAPAccount a
Host localhost
Port %s
User soporte
Pass %s
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Sync Pull
Create Near
SyncState *
`, port, server.Password("soporte"), server.CAFile(), dir, dir)
	path := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	out, err := exec.CommandContext(b.Context(), binary, "-q", "-c", path, "c").CombinedOutput()
	took := time.Since(began)
	if err != nil {
		b.Fatalf("mbsync: %v: %s", err, out)
	}
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
	return took
}

// ingestByRadicado runs the daemon on an empty database until it has filed all
// mails, and returns how long that took from its start, and its peak memory.
func ingestByRadicado(b *testing.B, server *dovecottest.Server, mails int) (time.Duration, int64) {
	b.Helper()
	dir := b.TempDir()
	config := fmt.Sprintf("[store]\npath = \"desk.db\"\n[web]\nlisten = \"\"\n[[mailbox]]\nname = \"soporte\"\naddress = \"s@example.com\"\n[mailbox.imap]\nserver = %q\nca_file = %q\nusername = \"soporte\"\npassword_env = \"BENCH_PASSWORD\"\nafter = \"none\"\n",
		server.TLSAddr(), server.CAFile())
	path := filepath.Join(dir, "radicado.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := radicado(context.WithoutCancel(b.Context()), "serve", "--config", path)
	cmd.Env = append(cmd.Env, "BENCH_PASSWORD="+server.Password("soporte"))
	log, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	filed, tail := countLines(log, `msg="mail filed"`, mails)
	took := time.Since(began)
	if filed != mails {
		cmd.Process.Kill()
		b.Fatalf("%d of %d mails are filed:\n%s", filed, mails, tail)
	}
	peak := highWater(b, cmd.Process.Pid)
	cmd.Process.Signal(syscall.SIGTERM)
	io.Copy(io.Discard, log)
	if err := cmd.Wait(); err != nil {
		b.Fatalf("serve: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
	return took, peak
}

// highWater returns the peak memory of a running process in bytes. What wait(2)
// tells at its end begins with the memory of the process that started it.
func highWater(b *testing.B, pid int) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skipf("the peak memory of a process is read on Linux only: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatalf("read VmHWM: %v", err)
	}
	return kib << 10
}

// countLines reads until n lines held a text, or the end; tail is the last of
// what it read.
func countLines(r io.Reader, text string, n int) (count int, tail string) {
	buf := make([]byte, 64<<10)
	var rest []byte
	for count < n {
		k, err := r.Read(buf)
		rest = append(rest, buf[:k]...)
		if i := bytes.LastIndexByte(rest, '\n'); i >= 0 {
			count += bytes.Count(rest[:i], []byte(text))
			tail = string(rest[:i])
			rest = append(rest[:0], rest[i+1:]...)
		}
		if err != nil {
			break
		}
	}
	return count, tail
}

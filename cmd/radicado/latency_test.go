package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"radicado/ingest/imap/dovecottest"
	"radicado/testdata/mailgen"
)

// latencyEvery is the time between two deliveries: 5 mails a second.
const latencyEvery = 200 * time.Millisecond

// TestLatency measures how long a mail takes from its delivery to its committed
// ticket, and how much of that is ours: from the moment the server's
// announcement reaches our connection. It does so alone, and while mails of
// 15 MB are being taken from the other mailbox. The long form holds the
// figures; the short one only that every mail is announced and taken soon. Not
// parallel: it measures.
func TestLatency(t *testing.T) {
	for _, large := range []bool{false, true} {
		name := map[bool]string{false: "alone", true: "beside large mails"}[large]
		t.Run(name, func(t *testing.T) {
			mails, limits := 15, latency{total: 20 * time.Second, ours: 20 * time.Second, oursMedian: 20 * time.Second}
			if os.Getenv(soak) == "1" {
				mails, limits = 300, latency{total: 600 * time.Millisecond, ours: 100 * time.Millisecond, oursMedian: 20 * time.Millisecond}
			}
			measureLatency(t, mails, large, limits)
		})
	}
}

// latency holds the greatest values allowed: p99, but for the median.
type latency struct{ total, ours, oursMedian time.Duration }

func measureLatency(t *testing.T, mails int, large bool, limits latency) {
	d := newFaultDesk(t, "seen", "")
	w := watchServer(t, d.server)
	// soporte is watched; pqrsa goes to the server itself. IDLE has to tell: the
	// default time between two polls is longer than most of a short run.
	d.reconfigure(t, `poll = "1s"`, `poll = "30s"`, -1)
	d.reconfigure(t, d.server.TLSAddr(), w.addr(), 1)
	p := d.start(t)
	p.waitSaid(t, 0, `msg="imap connected"`)
	d.mustDeliver(t, 3, 0) // the first ones pay for new connections and files
	d.waitStored(t, p)

	accepted := map[string]time.Time{} // by SHA-256: just before the delivery began
	template := largeMail(t)
	taken := 0
	tick, look := time.NewTicker(latencyEvery), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	defer look.Stop()
	for len(accepted) < mails {
		select {
		case <-tick.C:
			id, raw := faultMail("soporte", d.count(), 0)
			accepted[fmt.Sprintf("%x", sha256.Sum256(raw))] = time.Now()
			d.mustDeliverRaw(t, "soporte", id, raw)
		case <-look.C:
			if !large {
				continue
			}
			// One is being taken and one waits, always; what is done goes away.
			seen := seenIn(t, d.server.Maildir("pqrsa"))
			for _, f := range seen {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
			taken += len(seen)
			if len(mailsIn(t, d.server.Maildir("pqrsa"))) < 2 {
				id := fmt.Sprintf("grande.%d@cliente.example.org", d.count())
				d.mustDeliverRaw(t, "pqrsa", id, append([]byte("Message-ID: <"+id+">\r\n"), template...))
			}
		}
	}
	d.waitStored(t, p)
	p.stop(t)
	if large && taken == 0 {
		t.Error("no large mail was taken meanwhile: nothing is proved")
	}

	var totals, ours []time.Duration
	for sum, f := range filedInLog(t, p.text(), "soporte") {
		at, ok := accepted[sum]
		if !ok {
			continue // to warm up
		}
		told := w.told(f.uid)
		if told.IsZero() {
			t.Fatalf("uid %d was filed and never announced", f.uid)
		}
		totals = append(totals, f.at.Sub(at))
		ours = append(ours, f.at.Sub(told))
	}
	if len(totals) != mails {
		t.Fatalf("%d of %d mails are in the log", len(totals), mails)
	}
	t.Logf("%d mails, 5 a second, %d of 15 MB taken meanwhile", mails, taken)
	t.Logf("delivery to commit: median %v p99 %v max %v", quantile(totals, .5), quantile(totals, .99), quantile(totals, 1))
	t.Logf("notice to commit:   median %v p99 %v max %v", quantile(ours, .5), quantile(ours, .99), quantile(ours, 1))
	hold := func(what string, got, limit time.Duration) {
		if got >= limit {
			t.Errorf("%s %v, want less than %v", what, got, limit)
		}
	}
	hold("delivery to commit, p99:", quantile(totals, .99), limits.total)
	hold("notice to commit, median:", quantile(ours, .5), limits.oursMedian)
	hold("notice to commit, p99:", quantile(ours, .99), limits.ours)
	d.report(t)
}

// quantile returns the least value that a share q of all do not exceed, to the
// millisecond.
func quantile(v []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(v))
	i := min(int(q*float64(len(s))), len(s)-1)
	return s[i].Round(time.Millisecond)
}

// largeMail is a mail with a scan, 15 MB in all, without its Message-ID.
func largeMail(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := mailgen.WriteAttachment(&b, 1, 1, 10_960_000); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^Message-ID: .*\n`).ReplaceAll(b.Bytes(), nil)
}

// reconfigure changes the first n occurrences, all if n < 0, of a text in the
// configuration.
func (d *faultDesk) reconfigure(t *testing.T, from, to string, n int) {
	t.Helper()
	config, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.config, []byte(strings.Replace(string(config), from, to, n)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mustDeliverRaw delivers a mail of the test's own.
func (d *faultDesk) mustDeliverRaw(t *testing.T, mailbox, id string, raw []byte) {
	t.Helper()
	d.mu.Lock()
	d.delivered[id] = deliveredMail{mailbox: mailbox, size: len(raw)}
	d.mu.Unlock()
	if err := d.server.Deliver(mailbox, raw); err != nil {
		t.Fatal(err)
	}
}

type filedLine struct {
	uid int
	at  time.Time // at most a millisecond after the line was written
}

var filedPattern = regexp.MustCompile(`^time=(\S+) .*msg="mail filed" origin="(\w+)/INBOX uid (\d+) .* sha256=([0-9a-f]{64})`)

// filedInLog reads from a daemon's log when each mail's commit was known to be
// durable, by SHA-256.
func filedInLog(t *testing.T, log, mailbox string) map[string]filedLine {
	t.Helper()
	filed := map[string]filedLine{}
	for line := range strings.Lines(log) {
		m := filedPattern.FindStringSubmatch(line)
		if m == nil || m[2] != mailbox {
			continue
		}
		at, err := time.Parse(time.RFC3339, m[1])
		if err != nil {
			t.Fatal(err)
		}
		uid, err := strconv.Atoi(m[3])
		if err != nil {
			t.Fatal(err)
		}
		filed[m[4]] = filedLine{uid, at.Add(time.Millisecond)} // the log cuts it to the millisecond
	}
	return filed
}

// serverWatch stands between the daemon and a mail server, speaks TLS to both,
// and notes when it hands on how many mails the folder holds.
type serverWatch struct {
	listener net.Listener

	mu      sync.Mutex
	notices []notice
}

type notice struct {
	mails int
	at    time.Time
}

var existsPattern = regexp.MustCompile(`^\* (\d+) EXISTS\r\n$`)

func watchServer(t *testing.T, server *dovecottest.Server) *serverWatch {
	t.Helper()
	cert, err := server.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(server.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	w := &serverWatch{listener: listener}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer client.Close()
				server, err := tls.Dial("tcp", server.TLSAddr(), &tls.Config{RootCAs: roots})
				if err != nil {
					return // the daemon sees a cut connection and tries again
				}
				running.Go(func() {
					_, _ = io.Copy(server, client)
					server.Close()
				})
				w.handOn(client, server)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait() // the daemon has ended
	})
	return w
}

func (w *serverWatch) addr() string { return w.listener.Addr().String() }

// handOn passes on what the server sends, as soon as it is there.
func (w *serverWatch) handOn(client io.Writer, server io.Reader) {
	r := bufio.NewReaderSize(server, 64<<10)
	out := bufio.NewWriterSize(client, 64<<10)
	for {
		line, err := r.ReadSlice('\n') // a long one comes in pieces
		if m := existsPattern.FindSubmatch(line); m != nil {
			if n, err := strconv.Atoi(string(m[1])); err == nil {
				w.mu.Lock()
				w.notices = append(w.notices, notice{n, time.Now()})
				w.mu.Unlock()
			}
		}
		if _, werr := out.Write(line); werr != nil || err != nil && err != bufio.ErrBufferFull {
			_ = out.Flush()
			return
		}
		if r.Buffered() == 0 {
			if out.Flush() != nil {
				return
			}
		}
	}
}

// told returns when the first announcement that includes a mail was handed on;
// zero if there was none. Nothing is removed from the folder, so the n-th mail
// is the one with UID n.
func (w *serverWatch) told(uid int) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notices {
		if n.mails >= uid {
			return n.at
		}
	}
	return time.Time{}
}

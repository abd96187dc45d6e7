package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"radicado/ingest/imap/imaptest"
)

// soakForm says how long a soak is and what it allows. Growth is that of the
// last quarter's median over the second quarter's, so that what a process needs
// to come to its working size counts for nothing.
type soakForm struct {
	mails, wave  int // a wave is delivered to both mailboxes as fast as can be
	cutEvery     int // waves between two cuts of all connections, in mid-wave
	restartEvery int // waves between two restarts of the mail server

	counts int64 // more or fewer goroutines and file descriptors
	// memory is how many more bytes of heap and of anonymous memory, beside
	// growth. Two things grow, by some 200 bytes a mail here: bbolt notes each run
	// of pages in use that was allocated since the file was opened, and the
	// classifier's word cache, which has a fixed size, fills.
	memory int64
	growth float64 // more of both, as a share
	slower float64 // fewer mails a second, as a share; 0 allows any
}

// TestSoak lets one daemon take many mails of both mailboxes at the highest
// rate, through cut connections and restarts of the mail server, and looks at
// its memory, goroutines, file descriptors and file after each wave: they must
// not grow. Not parallel: it measures.
func TestSoak(t *testing.T) {
	form := soakForm{mails: 1000, wave: 125, cutEvery: 3, restartEvery: 4, counts: 4, memory: 48 << 20}
	if os.Getenv(soak) == "1" {
		form = soakForm{mails: 50_000, wave: 1000, cutEvery: 2, restartEvery: 5, counts: 2, memory: 8 << 20, growth: .1, slower: .5}
	}
	d := newFaultDesk(t, "seen", "")
	proxy, err := imaptest.NewProxy(d.server.TLSAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	d.reconfigure(t, d.server.TLSAddr(), proxy.Addr(), -1)
	p := d.start(t)
	p.waitSaid(t, 0, `msg="imap connected"`)
	daemon, ok := readDaemonFile(d.db)
	if !ok {
		t.Fatal("no daemon file")
	}

	var samples []soakSample
	r := rand.New(rand.NewPCG(7, 0))
	began := time.Now()
	for wave := 1; d.count() < form.mails; wave++ {
		from := time.Now()
		cut := wave%form.cutEvery == 0
		for _, m := range faultMailboxes {
			for range form.wave / len(faultMailboxes) {
				if err := d.deliver(m, 1, soakSize(r)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if cut {
			// Somewhere between the first and the last mail of the wave.
			want := d.count() - 1 - r.IntN(form.wave-1)
			within(t, faultLimit, "the wave is being taken", func() bool {
				stats, err := daemonStats(d.db)
				return err == nil && stats.Messages >= want
			})
			proxy.Drop()
		}
		d.waitStored(t, p)
		s := soakSample{mails: d.count(), took: time.Since(from), cut: cut}
		// A mailbox may be waiting to connect again, and those that reported the
		// last mails be about to end.
		goroutines := metricOf("go_goroutines")
		within(t, faultLimit, "both mailboxes are connected, and goroutines end no more", func() bool {
			before := s.metrics
			s.metrics = soakMetrics(scrape(t, daemon.URL))
			return s.metrics[`radicado_imap_connected{mailbox="soporte"}`] == 1 && s.metrics[`radicado_imap_connected{mailbox="pqrsa"}`] == 1 &&
				before != nil && goroutines(s) >= before["go_goroutines"]
		})
		s.readStatus(t, daemon.PID)
		samples = append(samples, s)
		if wave%form.restartEvery == 0 {
			d.server.Stop()
			for _, m := range faultMailboxes { // all of them are stored: the disk shall not hold them twice
				for _, f := range mailsIn(t, d.server.Maildir(m)) {
					if err := os.Remove(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := d.server.Restart(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d mails in %v; %d connections were made", d.count(), time.Since(began).Round(time.Second), proxy.Connections())
	p.stop(t)

	quarter := len(samples) / 4
	second, last := samples[quarter:2*quarter], samples[len(samples)-quarter:]
	for _, m := range []struct {
		what  string
		value func(soakSample) float64
		unit  float64 // in which it is shown
		most  func(before float64) float64
	}{
		{"goroutines", metricOf("go_goroutines"), 1, func(v float64) float64 { return v + float64(form.counts) }},
		{"file descriptors", metricOf("process_open_fds"), 1, func(v float64) float64 { return v + float64(form.counts) }},
		{"live heap (half of next_gc_bytes), MiB", func(s soakSample) float64 { return metricOf("go_memstats_next_gc_bytes")(s) / 2 }, 1 << 20, form.mostMemory},
		{"heap in use, MiB", metricOf("go_memstats_heap_inuse_bytes"), 1 << 20, form.mostMemory},
		{"anonymous memory (RssAnon), MiB", func(s soakSample) float64 { return s.anonymous }, 1 << 20, form.mostMemory},
		{"mapped pages of the database (RssFile), MiB", func(s soakSample) float64 { return s.mapped }, 1 << 20, nil},
		{"file, bytes a mail", func(s soakSample) float64 {
			return s.metrics["radicado_store_size_bytes"] / float64(s.mails)
		}, 1, nil},
	} {
		before, after := median(second, m.value), median(last, m.value)
		t.Logf("%-44s%s", m.what, quarters(samples, m.value, m.unit))
		if m.most != nil && after > m.most(before) {
			t.Errorf("%s: the median rose from %.1f in the second quarter to %.1f in the last", m.what, before/m.unit, after/m.unit)
		}
	}
	// A wave that was cut waits for its connection, not for us.
	cut := func(s soakSample) bool { return s.cut }
	rate := func(s soakSample) float64 { return float64(form.wave) / s.took.Seconds() }
	before := median(slices.DeleteFunc(slices.Clone(second), cut), rate)
	after := median(slices.DeleteFunc(slices.Clone(last), cut), rate)
	t.Logf("%-44s second quarter %8.1f  last quarter %8.1f", "mails a second, from delivery on", before, after)
	if form.slower > 0 && after < before*(1-form.slower) {
		t.Errorf("the median rate fell from %.0f to %.0f mails a second", before, after)
	}
	if n := d.report(t); n != 0 {
		t.Errorf("%d mails were taken twice and recognised; want 0", n)
	}
}

func (f soakForm) mostMemory(before float64) float64 { return before*(1+f.growth) + float64(f.memory) }

// soakSize draws the least size of a mail: nine in ten are short, the others as
// large as HTML or a picture.
func soakSize(r *rand.Rand) int {
	switch p := r.IntN(100); {
	case p < 90:
		return 0
	case p < 99:
		return 20_000 + r.IntN(40_000)
	}
	return 200_000 + r.IntN(600_000)
}

// soakSample is the daemon after a wave, when it waits for mail.
type soakSample struct {
	mails             int
	took              time.Duration // of the wave
	cut               bool
	metrics           map[string]float64
	anonymous, mapped float64 // memory, bytes
}

// readStatus reads what the kernel says of a process's memory. Pages of the
// mapped database are page cache, which the kernel takes back when it needs
// memory; they are told apart.
func (s *soakSample) readStatus(t *testing.T, pid int) {
	t.Helper()
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Skipf("the memory of a process is read on Linux only: %v", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kib float64
		if _, err := fmt.Sscanf(lines.Text(), "RssAnon: %g kB", &kib); err == nil {
			s.anonymous = kib * 1024
		}
		if _, err := fmt.Sscanf(lines.Text(), "RssFile: %g kB", &kib); err == nil {
			s.mapped = kib * 1024
		}
	}
	if s.anonymous == 0 {
		t.Fatal("no RssAnon in the process's status")
	}
}

// soakMetrics reads the text form of metrics.
func soakMetrics(text string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			values[name] = v
		}
	}
	return values
}

func metricOf(name string) func(soakSample) float64 {
	return func(s soakSample) float64 {
		v, ok := s.metrics[name]
		if !ok {
			panic("no metric " + name)
		}
		return v
	}
}

// quarters shows the median of each quarter.
func quarters(samples []soakSample, value func(soakSample) float64, unit float64) string {
	var b strings.Builder
	for i := range 4 {
		fmt.Fprintf(&b, " %9.1f", median(samples[i*len(samples)/4:(i+1)*len(samples)/4], value)/unit)
	}
	return b.String()
}

func median(samples []soakSample, value func(soakSample) float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	var values []float64
	for _, s := range samples {
		values = append(values, value(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"radicado/ingest/imap/servertest"
)

// soak is the environment variable that, set to 1, runs the long form.
const soak = "RADICADO_SOAK"

// TestFaultKill kills the daemon at random moments while mail keeps coming into
// both mailboxes: in the end each mail is stored exactly once.
func TestFaultKill(t *testing.T) {
	t.Parallel()
	for name, start := range faultServers {
		for after, rounds := range map[string]int{"seen": 12, "move": 6} {
			t.Run(name+"/"+after, func(t *testing.T) {
				t.Parallel()
				if name != "dovecot" {
					rounds /= 2
				}
				if os.Getenv(soak) == "1" {
					rounds = 200
				} else if raceEnabled {
					rounds = max(3, rounds/2) // each start takes several times as long
				}
				host := start(t)
				if after == "move" {
					after += ":" + host.Folder("Procesados")
				}
				killRounds(t, newFaultDeskOn(t, host, after, ""), after, rounds)
			})
		}
	}
}

func killRounds(t *testing.T, d *faultDesk, after string, rounds int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	d.mustDeliver(t, 20, 0)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var senders errgroup.Group
	for _, m := range faultMailboxes {
		senders.Go(func() error { return d.keepDelivering(ctx, m, 40*time.Millisecond) })
	}
	filed, early := 0, 0
	moments := []string{"", `msg="imap connected"`, `msg="mail filed"`, `msg="mail filed"`}
	for i := range rounds {
		p := d.start(t)
		// From before the database is open to well within taking.
		if moment := moments[i%len(moments)]; moment != "" {
			within(t, faultLimit, "the daemon says "+moment, func() bool { return strings.Contains(p.text(), moment) })
		}
		<-time.After(time.Duration(r.Int64N(int64(300 * time.Millisecond))))
		p.kill()
		log := p.text()
		n := strings.Count(log, `msg="mail filed"`)
		filed += n
		if n == 0 {
			early++
		}
		for line := range strings.Lines(log) {
			if strings.Contains(line, "level=ERROR") || strings.HasPrefix(line, "radicado:") {
				t.Errorf("a killed daemon's successor complains: %s", line)
			}
		}
	}
	cancel()
	if err := senders.Wait(); err != nil {
		t.Fatal(err)
	}
	last := d.start(t)
	d.waitStored(t, last)
	// What was stored and not yet moved or marked is found again.
	within(t, faultLimit, "all is moved or marked as seen", func() bool {
		left := 0
		for _, m := range faultMailboxes {
			all, seen, err := servertest.Count(d.host, m, "INBOX")
			if err != nil {
				t.Fatal(err)
			}
			if left += all; !strings.HasPrefix(after, "move:") {
				left -= seen
			}
		}
		return left == 0
	})
	last.stop(t)
	t.Logf("%d kills, %d of them before a mail was filed; %d of %d mails were filed by processes that were killed", rounds, early, filed, d.count())
	if filed == 0 {
		t.Error("no mail was filed between the kills: nothing is proved")
	}
	if n := d.report(t); n != 0 {
		t.Errorf("%d mails were taken twice and recognised; want 0", n)
	}
}

// keepDelivering delivers a mail at each tick, some of them large, until ctx
// ends.
func (d *faultDesk) keepDelivering(ctx context.Context, mailbox string, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		size := 0
		if n%15 == 14 {
			size = 400_000
		}
		if err := d.deliver(mailbox, 1, size); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// TestFaultSecondDaemon starts a second daemon on the file of a running one.
func TestFaultSecondDaemon(t *testing.T) {
	t.Parallel()
	d := newFaultDesk(t, "seen", "")
	d.mustDeliver(t, 5, 0)
	first := d.start(t)
	d.waitStored(t, first)
	var stderr bytes.Buffer
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), faultLimit)
	defer cancel()
	second := radicado(ctx, "serve", "--config", d.config)
	second.Stdout, second.Stderr = io.Discard, &stderr
	err := second.Run()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the second daemon was refused after %v only", took)
	}
	if code := second.ProcessState.ExitCode(); err == nil || code != exitFailed {
		t.Errorf("the second daemon ended with %v, want exit code %d", err, exitFailed)
	}
	for _, want := range []string{d.db, "in use by another process", "hint: "} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the second daemon does not say %q: %s", want, stderr.String())
		}
	}
	// The first one is none the worse, and can still be asked by others.
	d.mustDeliver(t, 5, 0)
	d.waitStored(t, first)
	first.stop(t)
	if n := d.report(t); n != 0 {
		t.Errorf("%d duplicates", n)
	}
}

// TestFaultTwoAtOnce starts two daemons at the same moment, as an
// impatient operator does: exactly one serves.
func TestFaultTwoAtOnce(t *testing.T) {
	t.Parallel()
	d := newFaultDesk(t, "seen", "")
	d.mustDeliver(t, 10, 0)
	a, b := d.start(t), d.start(t)
	refused := make(chan *process, 2)
	var both sync.WaitGroup
	for _, p := range []*process{a, b} {
		both.Go(func() { <-p.done; refused <- p })
	}
	var loser *process
	select {
	case loser = <-refused:
	case <-time.After(faultLimit):
		t.Fatal("both daemons serve")
	}
	winner := a
	if loser == a {
		winner = b
	}
	if err := loser.cmd.Wait(); err == nil || !strings.Contains(loser.text(), "in use by another process") {
		t.Errorf("the loser ended with %v: %s", err, loser.text())
	}
	d.waitStored(t, winner)
	winner.stop(t)
	both.Wait()
	if n := d.report(t); n != 0 {
		t.Errorf("%d duplicates", n)
	}
}

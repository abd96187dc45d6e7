package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"radicado/ingest/imap"
)

// mailboxState is the status of a mailbox as a test wishes it.
type mailboxState struct {
	mu sync.Mutex
	st imap.Status
}

func (m *mailboxState) set(st imap.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.st = st
}

func (m *mailboxState) get() imap.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.st
}

// sharedLog is a log that may be read while it is written.
type sharedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestAlarm holds that each episode of a stale mailbox is told once, and its
// end once, and that neither a sick neighbour nor a long first look matters.
func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log sharedLog
		var sick, well mailboxState
		w := newWatch(10 * time.Minute)
		w.mailboxes = []watched{{"soporte", sick.get}, {"pqrsa", well.get}}
		al := alarm{watch: w, log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- al.run(ctx) }()

		told := func(what string) int {
			synctest.Wait()
			return strings.Count(log.String(), what)
		}
		pass := func(d time.Duration) {
			for range int(d / time.Minute) {
				time.Sleep(time.Minute)
				well.set(imap.Status{Connected: true, LastSuccess: time.Now()})
			}
		}
		sick.set(imap.Status{LastError: "refused", LastErrorAt: time.Now(), Failures: 1})
		pass(10 * time.Minute)
		if told("mailbox is stale") != 0 {
			t.Errorf("alarm after 10 minutes:\n%s", &log)
		}
		pass(time.Minute)
		if told("level=ERROR msg=\"mailbox is stale") != 1 || told("mailbox=soporte") != 1 || told("error=refused") != 1 {
			t.Errorf("after 11 minutes:\n%s", &log)
		}
		if h := w.health(); !h[0].Stale || h[1].Stale || h[0].Error != "refused" {
			t.Errorf("health %+v", h)
		}
		if got, want := w.summary(), "1 of 2 mailboxes connected; stale: soporte"; got != want {
			t.Errorf("summary %q, want %q", got, want)
		}
		pass(time.Hour)
		if told("mailbox is stale") != 1 {
			t.Errorf("one episode is told more than once:\n%s", &log)
		}
		if got := w.stuck(stuckAfter); got != "soporte" {
			t.Errorf("stuck is %q, want soporte, which gave no sign for more than an hour", got)
		}
		sick.set(imap.Status{LastError: "refused", LastErrorAt: time.Now(), Failures: 9})
		if got := w.stuck(stuckAfter); got != "" {
			t.Errorf("stuck is %q; a mailbox that fails is not stuck", got)
		}

		sick.set(imap.Status{Connected: true, LastSuccess: time.Now()})
		pass(time.Minute)
		if told("no longer stale") != 1 {
			t.Errorf("its end is not told:\n%s", &log)
		}
		// No look ends, but mails are filed: a full mailbox.
		for range 15 {
			pass(2 * time.Minute)
			w.took("soporte")
		}
		if told("mailbox is stale") != 1 {
			t.Errorf("alarm while mails are filed:\n%s", &log)
		}
		pass(11 * time.Minute)
		if told("mailbox is stale") != 2 {
			t.Errorf("the second episode is not told:\n%s", &log)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAlarmOff holds that stale_after 0 turns everything off.
func TestAlarmOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m mailboxState
		w := newWatch(0)
		w.mailboxes = []watched{{"soporte", m.get}}
		al := alarm{watch: w, log: slog.New(slog.DiscardHandler)}
		if err := al.run(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Hour)
		if stale, _ := w.stale(w.mailboxes[0]); stale {
			t.Error("stale although the alarm is off")
		}
	})
}

// TestAlarmCommand runs a real program: it is told what it must know and none
// of our secrets.
func TestAlarmCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	getenv := func(k string) string {
		return map[string]string{"PATH": os.Getenv("PATH"), "SOPORTE_PASSWORD": "hunter2"}[k]
	}
	al := alarm{command: []string{"/bin/sh", "-c", `env >"$1"; echo noise`, "alarm", out}, env: alarmEnv(getenv), log: slog.New(slog.DiscardHandler)}
	t.Setenv("SOPORTE_PASSWORD", "hunter2")
	since := time.Date(2026, 7, 9, 15, 0, 0, 0, time.UTC)
	if err := al.call(t.Context(), "soporte", "stale", since); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RADICADO_MAILBOX=soporte\n", "RADICADO_STATE=stale\n", "RADICADO_SINCE=2026-07-09T15:00:00Z\n", "PATH="} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the command does not see %q:\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "hunter2") {
		t.Error("the command sees a password")
	}

	al.command = []string{"/bin/sh", "-c", "exit 3"}
	if err := al.call(t.Context(), "soporte", "stale", since); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a failed command gives %v", err)
	}
	al.command = []string{filepath.Join(t.TempDir(), "none")}
	if err := al.call(t.Context(), "soporte", "stale", since); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing command gives %v", err)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager that listens at an address. It receives "" where
// nothing comes.
func manager(t *testing.T, address string) (getenv func(string) string, receive func() string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	env := map[string]string{"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": fmt.Sprint(os.Getpid())}
	return func(k string) string { return env[k] }, func() string {
		t.Helper()
		b := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Error(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			t.Errorf("nothing is told: %v", err)
		}
		return string(b[:n])
	}
}

func TestSystemd(t *testing.T) {
	for name, address := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@radicado-test-%d-%d", os.Getpid(), time.Now().UnixNano()),
	} {
		t.Run(name, func(t *testing.T) {
			getenv, receive := manager(t, address)
			s, err := newSystemd(getenv)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var sick atomic.Bool
			ended := make(chan error, 1)
			go func() {
				ended <- s.run(ctx, slog.New(slog.DiscardHandler), func() string { return "2 of 2" }, func(context.Context) error {
					if sick.Load() {
						return errors.New("the store does not answer")
					}
					return nil
				})
			}()
			if got := receive(); got != "READY=1\nSTATUS=2 of 2" {
				t.Errorf("first told %q", got)
			}
			if got := receive(); got != "STATUS=2 of 2\nWATCHDOG=1" {
				t.Errorf("then told %q", got)
			}
			sick.Store(true)
			receive() // may have been on its way
			for range 3 {
				if got := receive(); strings.Contains(got, "WATCHDOG") {
					t.Errorf("a sign of life although the store does not answer: %q", got)
				}
			}
			cancel()
			got := receive()
			for strings.HasPrefix(got, "STATUS=2") {
				got = receive()
			}
			if got != "STOPPING=1\nSTATUS=stopping" {
				t.Errorf("at the end told %q", got)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSystemdSilent holds that without a manager, or with a watchdog of another
// process, nothing is sent that nobody asked for.
func TestSystemdSilent(t *testing.T) {
	s, err := newSystemd(func(string) string { return "" })
	if s != nil || err != nil {
		t.Errorf("without NOTIFY_SOCKET: %v, %v", s, err)
	}
	if err := s.run(t.Context(), nil, nil, nil); err != nil {
		t.Errorf("nobody to tell: %v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	getenv, _ := manager(t, path)
	for _, env := range []map[string]string{
		{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "-5"}, {"WATCHDOG_USEC": "9223372036854775807"},
	} {
		s, err := newSystemd(func(k string) string {
			if v, ok := env[k]; ok {
				return v
			}
			return getenv(k)
		})
		if err != nil || s.watchdog != 0 {
			t.Errorf("%v: watchdog %v, %v", env, s.watchdog, err)
		}
		s.conn.Close()
	}
	if _, err := newSystemd(func(k string) string {
		return map[string]string{"NOTIFY_SOCKET": path + ".none"}[k]
	}); err == nil {
		t.Error("a manager that is not there is no error")
	}
}

// TestSystemdProcess holds what a service manager is told by the daemon as a
// process of its own, from its start to SIGTERM.
func TestSystemdProcess(t *testing.T) {
	t.Parallel()
	e := newEmbedded(t)
	address := filepath.Join(t.TempDir(), "notify")
	_, receive := manager(t, address)
	p := startProcess(t, e.config, nil, "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=200000", "WATCHDOG_PID=")
	told := make(chan string, 1000)
	go func() { // reads at all times, as a service manager does
		defer close(told)
		for {
			state := receive()
			told <- state
			if state == "" || strings.HasPrefix(state, "STOPPING=1") {
				return
			}
		}
	}()
	next := func(want string) {
		t.Helper()
		for state := range told {
			if strings.Contains(state, want) {
				return
			}
		}
		t.Fatalf("the service manager is not told %s; the log ends:\n%s", want, tail(p.text()))
	}
	next("READY=1")
	next("WATCHDOG=1")
	next("WATCHDOG=1")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	next("STOPPING=1")
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}

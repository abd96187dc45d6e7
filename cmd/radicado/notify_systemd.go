package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// statusEvery is how often the service manager is told how the mailboxes fare.
const statusEvery = 30 * time.Second

// systemd tells the service manager how the daemon fares (sd_notify(3)). The
// nil systemd tells nobody.
type systemd struct {
	conn     *net.UnixConn
	watchdog time.Duration // 0: no watchdog
}

// newSystemd returns nil where no service manager listens. An address that
// begins with @ is in the abstract namespace, which package net knows.
func newSystemd(getenv func(string) string) (*systemd, error) {
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("reach the service manager: %w", err)
	}
	s := &systemd{conn: conn}
	pid := getenv("WATCHDOG_PID") // sd_watchdog_enabled(3): of another process if set so
	if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 && usec <= int64(24*time.Hour/time.Microsecond) &&
		(pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	return s, nil
}

// tell sends assignments such as "READY=1", one a line.
func (s *systemd) tell(state string) error {
	if s == nil {
		return nil
	}
	// A manager that does not read must not keep the daemon from ending.
	if err := s.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	if _, err := s.conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

// run sends status lines and, as long as alive returns nil, signs of life, until
// ctx ends; then it says that the daemon is stopping. An alive that blocks
// sends none, which is what a watchdog is for.
func (s *systemd) run(ctx context.Context, log *slog.Logger, status func() string, alive func(context.Context) error) error {
	if s == nil {
		return nil
	}
	defer s.conn.Close()
	every := statusEvery
	if s.watchdog > 0 {
		every = min(every, s.watchdog/2)
	}
	say := func(state string) {
		if err := s.tell(state); err != nil {
			log.Warn("service manager is not reached", "error", err)
		}
	}
	say("READY=1\nSTATUS=" + status())
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			say("STOPPING=1\nSTATUS=stopping")
			return nil
		case <-tick.C:
		}
		state := "STATUS=" + status()
		if err := alive(ctx); err != nil {
			if ctx.Err() == nil {
				log.Error("no sign of life is given to the watchdog", "error", err)
			}
		} else if s.watchdog > 0 {
			state += "\nWATCHDOG=1"
		}
		say(state)
	}
}

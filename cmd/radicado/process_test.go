package main

import (
	"bufio"
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is `radicado serve` as a process of its own, whose log can be read
// while it runs.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // its log has ended

	mu  sync.Mutex
	log bytes.Buffer
}

// startProcess serves a configuration. Each line of the log is kept and, if
// line is not nil, told to it. Env comes on top of the test's.
func startProcess(t *testing.T, config string, line func(string), env ...string) *process {
	t.Helper()
	p := &process{cmd: radicado(context.Background(), "serve", "--config", config), done: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Env, env...)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.mu.Lock()
			p.log.Write(append(lines.Bytes(), '\n'))
			p.mu.Unlock()
			if line != nil {
				line(lines.Text())
			}
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends it as a power cut does, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
	_ = p.cmd.Wait()
}

// stop ends it as an operator does and returns its log.
func (p *process) stop(t *testing.T) string {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		t.Fatal("the daemon does not end on SIGTERM")
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the daemon ended with %v:\n%s", err, tail(p.text()))
	}
	return p.text()
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// tail keeps a failure readable.
func tail(s string) string { return s[max(0, len(s)-4000):] }

// daemon is a process that tells of each mail it has filed.
type daemon struct {
	*process
	filed chan string // a line of the log for each mail filed
}

func startDaemon(t *testing.T, config string) *daemon {
	t.Helper()
	d := &daemon{filed: make(chan string, 10_000)}
	d.process = startProcess(t, config, func(line string) {
		if strings.Contains(line, `msg="mail filed"`) {
			d.filed <- line
		}
	})
	return d
}

// wait returns once n more mails are filed.
func (d *daemon) wait(t *testing.T, n int, limit time.Duration) []string {
	t.Helper()
	var lines []string
	timeout := time.After(limit)
	for len(lines) < n {
		select {
		case l := <-d.filed:
			lines = append(lines, l)
		case <-timeout:
			t.Fatalf("%d of %d mails are filed after %v", len(lines), n, limit)
		case <-d.done:
			t.Fatalf("the daemon ended:\n%s", tail(d.text()))
		}
	}
	return lines
}

package servertest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTime bounds how long a server may take to answer.
const startTime = 20 * time.Second

// Base is the part of a server that does not depend on its make.
type Base struct {
	// Dir is the server's own directory, which its users may enter.
	Dir string
	// UID and GID are whom the mails belong to: nobody if the test runs as root,
	// since no server serves mail as root.
	UID, GID int

	plain, secure string
	authority     *authority
	command       func() *exec.Cmd
	log           bytes.Buffer // read after the process has ended
	stop          func()       // nil while it is stopped

	mu        sync.Mutex
	passwords map[string]string
}

// NewBase makes the directory, with certificates, and passwords for the users.
func NewBase(t testing.TB, users []string) *Base {
	t.Helper()
	// Not t.TempDir: its path may be too long for a socket (108 bytes), and as
	// root the server's own users must be able to enter it.
	dir, err := os.MkdirTemp("", "ms")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &Base{Dir: dir, passwords: make(map[string]string)}
	if err := b.prepare(users); err != nil {
		t.Fatalf("prepare a mail server: %v", err)
	}
	return b
}

func (b *Base) prepare(users []string) error {
	b.UID, b.GID = os.Getuid(), os.Getgid()
	if b.UID == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return err
		}
		if b.UID, err = strconv.Atoi(nobody.Uid); err != nil {
			return err
		}
		if b.GID, err = strconv.Atoi(nobody.Gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		return err
	}
	for _, name := range users {
		b.passwords[name] = "clave-de-" + name
	}
	var err error
	if b.authority, err = newAuthority(b.Dir); err != nil {
		return err
	}
	return b.SetCertificate(time.Now().Add(24 * time.Hour))
}

// Launch chooses ports, has configure write what the process needs, starts the
// command and returns once it answers on both ports. The server is stopped when
// the test ends, and what it said is logged if the test has failed.
func (b *Base) Launch(t testing.TB, configure func(plain, secure int) error, command func() *exec.Cmd) {
	t.Helper()
	b.command = command
	// A free port may be taken between asking and the start: try again.
	for attempt := 1; ; attempt++ {
		ports, err := freePorts(2)
		if err == nil {
			b.plain, b.secure = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
			err = configure(ports[0], ports[1])
		}
		if err == nil {
			err = b.Restart()
		}
		if err == nil {
			break
		}
		if attempt == 3 {
			t.Fatalf("start the mail server: %v\n%s", err, &b.log)
		}
	}
	t.Cleanup(func() {
		b.Stop()
		if t.Failed() {
			t.Logf("the mail server's log:\n%s", &b.log)
		}
	})
}

// Running reports whether the server has been started and not stopped since.
func (b *Base) Running() bool { return b.stop != nil }

// Stop is Server's.
func (b *Base) Stop() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// Restart is Server's.
func (b *Base) Restart() error {
	b.log.Reset()
	cmd := b.command()
	cmd.Stdout, cmd.Stderr = &b.log, &b.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its children go with it
	// A child that outlives the master may hold the pipe open.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its end is what is waited for, not its status
		close(ended)
	}()
	stop := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}
	for _, addr := range []string{b.plain, b.secure} {
		if err := answers(addr, addr == b.secure, ended); err != nil {
			stop()
			return fmt.Errorf("wait for %s: %w", addr, err)
		}
	}
	b.stop = stop
	return nil
}

// SetCertificate is Server's.
func (b *Base) SetCertificate(end time.Time) error {
	if err := b.authority.issue(b.Dir, end); err != nil {
		return fmt.Errorf("issue a certificate: %w", err)
	}
	return os.Chown(filepath.Join(b.Dir, "key.pem"), b.UID, b.GID)
}

// Addr is Server's.
func (b *Base) Addr() string { return b.plain }

// TLSAddr is Server's.
func (b *Base) TLSAddr() string { return b.secure }

// CAFile is Server's.
func (b *Base) CAFile() string { return filepath.Join(b.Dir, "ca.pem") }

// Certificate returns the server's certificate and key, for a proxy that takes
// its place.
func (b *Base) Certificate() (tls.Certificate, error) {
	return tls.LoadX509KeyPair(filepath.Join(b.Dir, "cert.pem"), filepath.Join(b.Dir, "key.pem"))
}

// Password is Server's.
func (b *Base) Password(user string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passwords[user]
}

// SetPassword is Server's, for a server that asks Password at each login.
func (b *Base) SetPassword(user, password string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.passwords[user]; !ok {
		return fmt.Errorf("set password: no user %s", user)
	}
	b.passwords[user] = password
	return nil
}

// freePorts asks for ports that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at once at the end, so that no two are the same
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

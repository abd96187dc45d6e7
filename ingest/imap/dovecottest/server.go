// Package dovecottest runs a real Dovecot for tests: Maildirs, a password file
// and a certificate of its own authority, on free ports of 127.0.0.1. It does
// not touch the machine's configuration.
package dovecottest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// RequireServers is the environment variable that, set to 1, turns the skip for
// want of a server into a failure.
const RequireServers = "RADICADO_REQUIRE_SERVERS"

// startTime bounds how long Dovecot may take to answer.
const startTime = 20 * time.Second

// Server is a running Dovecot.
type Server struct {
	dir       string
	plain     string
	secure    string
	passwords map[string]string
	uid, gid  int
	delivered atomic.Int64
	log       *bytes.Buffer // read after the process has ended

	binary    string
	authority *authority
	stop      func() // nil while it is stopped

	mechanisms  string // as Dovecot names them
	hashed      string // the user whose password is kept as a hash
	imap, imaps int
}

// Start starts a Dovecot with these users; Password tells what they log in
// with. It is stopped when the test ends. Without Dovecot the test is skipped.
func Start(t testing.TB, users ...string) *Server {
	t.Helper()
	binary, err := exec.LookPath("dovecot")
	if err != nil {
		binary = "/usr/sbin/dovecot" // not in every PATH
		if _, err = os.Stat(binary); err != nil {
			if os.Getenv(RequireServers) == "1" {
				t.Fatalf("no dovecot, and %s=1: apt-get install dovecot-imapd", RequireServers)
			}
			t.Skip("no dovecot: apt-get install dovecot-imapd")
		}
	}
	// Not t.TempDir: its path may be too long for a socket (108 bytes), and as
	// root Dovecot's own users must be able to enter it.
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{dir: dir, passwords: make(map[string]string), log: &bytes.Buffer{}, mechanisms: "plain login"}
	if err := s.prepare(users); err != nil {
		t.Fatalf("prepare dovecot: %v", err)
	}
	// A free port may be taken between asking and Dovecot's start: try again.
	s.binary = binary
	for attempt := 1; ; attempt++ {
		err := s.choosePorts()
		if err == nil {
			err = s.Restart()
		}
		if err == nil {
			t.Cleanup(func() {
				s.Stop()
				if t.Failed() {
					t.Logf("dovecot's log:\n%s", s.log)
				}
			})
			return s
		}
		if attempt == 3 {
			t.Fatalf("start dovecot: %v\n%s", err, s.log)
		}
	}
}

// Stop ends Dovecot with all its connections, as a crash of the machine does
// for its clients. What it serves stays, and Deliver goes on.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Restart starts a stopped Dovecot on the same ports, and returns once it
// answers.
func (s *Server) Restart() error {
	stop, err := s.run()
	if err != nil {
		return fmt.Errorf("run dovecot: %w", err)
	}
	s.stop = stop
	return nil
}

// SetPassword changes what the user logs in with; it holds for the next login.
// The new one must differ in length, or Dovecot, which looks at size and whole
// seconds, may not notice.
func (s *Server) SetPassword(user, password string) error {
	if _, ok := s.passwords[user]; !ok {
		return fmt.Errorf("set password: no user %s", user)
	}
	s.passwords[user] = password
	return s.writePasswords()
}

// SetMechanisms changes by which SASL mechanisms a stopped Dovecot lets log in,
// separated by spaces.
func (s *Server) SetMechanisms(names string) error {
	s.mechanisms = names
	return s.writeConfig()
}

// SetHashed makes the user's password one that only PLAIN and LOGIN can check.
func (s *Server) SetHashed(user string) error {
	if _, ok := s.passwords[user]; !ok {
		return fmt.Errorf("set hashed: no user %s", user)
	}
	s.hashed = user
	return s.writePasswords()
}

// SetCertificate gives the server a certificate of the same authority that ends
// at end. Dovecot reads it at its next start.
func (s *Server) SetCertificate(end time.Time) error { return s.authority.issue(s.dir, end) }

// Renumber makes the INBOX of a stopped Dovecot a new one with the same mails,
// as when it was deleted and restored: a new UIDVALIDITY, UIDs from 1.
func (s *Server) Renumber(user string) error {
	for _, pattern := range []string{"dovecot-uidlist", "dovecot.index*"} {
		files, err := filepath.Glob(filepath.Join(s.Maildir(user), pattern))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				return fmt.Errorf("renumber %s: %w", user, err)
			}
		}
	}
	return nil
}

// Addr returns host:port of the IMAP port, plain and STARTTLS.
func (s *Server) Addr() string { return s.plain }

// TLSAddr returns host:port of the IMAPS port.
func (s *Server) TLSAddr() string { return s.secure }

// CAFile returns the path of the authority's certificate, in PEM.
func (s *Server) CAFile() string { return filepath.Join(s.dir, "ca.pem") }

// Password returns what the user logs in with, "" if there is no such user.
func (s *Server) Password(user string) string { return s.passwords[user] }

// Maildir returns the path of a user's INBOX.
func (s *Server) Maildir(user string) string { return filepath.Join(s.dir, "mail", user) }

// Deliver puts a mail into a user's INBOX as a delivery agent does: written to
// tmp/, then renamed into new/.
func (s *Server) Deliver(user string, raw []byte) error {
	if _, ok := s.passwords[user]; !ok {
		return fmt.Errorf("deliver: no user %s", user)
	}
	return s.deliver(user, s.Maildir(user), raw)
}

// DeliverTo puts a mail into a folder, named as on disk: in modified UTF-7, with
// dots between its parts.
func (s *Server) DeliverTo(user, folder string, raw []byte) error {
	dir := filepath.Join(s.Maildir(user), "."+folder)
	for _, sub := range []string{"", "new", "cur", "tmp"} {
		path := filepath.Join(dir, sub)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("deliver to %s: %w", folder, err)
		}
		if err := os.Chown(path, s.uid, s.gid); err != nil {
			return fmt.Errorf("deliver to %s: %w", folder, err)
		}
	}
	return s.deliver(user, dir, raw)
}

func (s *Server) deliver(user, dir string, raw []byte) error {
	name := fmt.Sprintf("%d.M%06dP%d.test", time.Now().Unix(), s.delivered.Add(1), os.Getpid())
	tmp := filepath.Join(dir, "tmp", name)
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("deliver to %s: %w", user, err)
	}
	if err := os.Chown(tmp, s.uid, s.gid); err != nil {
		return fmt.Errorf("deliver to %s: %w", user, err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "new", name)); err != nil {
		return fmt.Errorf("deliver to %s: %w", user, err)
	}
	return nil
}

func (s *Server) prepare(users []string) error {
	s.uid, s.gid = os.Getuid(), os.Getgid()
	if s.uid == 0 {
		// Dovecot refuses to open mail as root: its own user "nobody" serves.
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return err
		}
		if s.uid, err = strconv.Atoi(nobody.Uid); err != nil {
			return err
		}
		if s.gid, err = strconv.Atoi(nobody.Gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	var err error
	if s.authority, err = newAuthority(s.dir); err != nil {
		return err
	}
	if err := s.authority.issue(s.dir, time.Now().Add(24*time.Hour)); err != nil {
		return err
	}
	// The users' own folders are made below it.
	if err := os.Mkdir(filepath.Join(s.dir, "mail"), 0o755); err != nil {
		return err
	}
	for _, name := range users {
		s.passwords[name] = "clave-de-" + name
		for _, sub := range []string{"", "new", "cur", "tmp"} {
			path := filepath.Join(s.Maildir(name), sub)
			if err := os.MkdirAll(path, 0o700); err != nil {
				return err
			}
			if err := os.Chown(path, s.uid, s.gid); err != nil {
				return err
			}
		}
	}
	return s.writePasswords()
}

func (s *Server) writePasswords() error {
	var passwd strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.passwords)) {
		password := "{PLAIN}" + s.passwords[name]
		if name == s.hashed {
			sum := sha256.Sum256([]byte(s.passwords[name]))
			password = "{SHA256}" + base64.StdEncoding.EncodeToString(sum[:])
		}
		fmt.Fprintf(&passwd, "%s:%s:%d:%d::%s::\n", name, password, s.uid, s.gid, filepath.Join(s.dir, "mail"))
	}
	return os.WriteFile(filepath.Join(s.dir, "passwd"), []byte(passwd.String()), 0o644)
}

func (s *Server) choosePorts() error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	s.plain, s.secure = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	s.imap, s.imaps = ports[0], ports[1]
	return s.writeConfig()
}

func (s *Server) writeConfig() error {
	return os.WriteFile(filepath.Join(s.dir, "dovecot.conf"), []byte(s.config(s.imap, s.imaps)), 0o644)
}

// run starts the process and waits until it answers on both ports.
func (s *Server) run() (stop func(), err error) {
	s.log.Reset()
	cmd := exec.Command(s.binary, "-F", "-c", filepath.Join(s.dir, "dovecot.conf"))
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its children go with it
	// A child that outlives the master may hold the pipe open.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its end is what is waited for, not its status
		close(ended)
	}()
	stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for _, addr := range []string{s.plain, s.secure} {
		if err := answers(ctx, addr, addr == s.secure, ended); err != nil {
			stop()
			return nil, fmt.Errorf("wait for %s: %w", addr, err)
		}
	}
	return stop, nil
}

func (s *Server) config(plain, secure int) string {
	me, group := "root", "root"
	internal, login := "dovecot", "dovenull"
	if os.Getuid() != 0 {
		me, group = strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
		if u, err := user.Current(); err == nil {
			me = u.Username
			if g, err := user.LookupGroupId(u.Gid); err == nil {
				group = g.Name
			}
		}
		internal, login = me, me
	}
	chroot := ""
	if os.Getuid() != 0 {
		// Only root may chroot, or become somebody else.
		chroot = fmt.Sprintf("service anvil {\n chroot =\n}\nservice imap-login {\n chroot =\n}\ndefault_internal_group = %s\n", group)
	}
	return fmt.Sprintf(`
base_dir = %[1]s/run
state_dir = %[1]s/state
instance_name = %[1]s
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
default_internal_user = %[2]s
default_login_user = %[3]s
mail_location = maildir:%[1]s/mail/%%u
first_valid_uid = 1
first_valid_gid = 1
disable_plaintext_auth = no
auth_mechanisms = %[7]s
auth_failure_delay = 0 s
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
mail_max_userip_connections = 100
passdb {
  driver = passwd-file
  args = %[1]s/passwd
}
userdb {
  driver = passwd-file
  args = %[1]s/passwd
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox "Correo no deseado" {
    special_use = \Junk
    auto = create
  }
}
# No growing delay after wrong passwords: every client here has one address.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = %[4]d
  }
  inet_listener imaps {
    port = %[5]d
    ssl = yes
  }
}
%[6]s`, s.dir, internal, login, plain, secure, chroot, s.mechanisms)
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

// answers connects again and again until an IMAP greeting comes.
func answers(ctx context.Context, addr string, secure bool, ended <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := greeting(addr, secure)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ended:
			return fmt.Errorf("the process ended; last: %w", err)
		case <-tick.C:
		}
	}
}

func greeting(addr string, secure bool) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if secure {
		// Only to see it answer: tests verify by CAFile.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	head := make([]byte, 4)
	if _, err := conn.Read(head); err != nil {
		return err
	}
	if string(head) != "* OK" {
		return fmt.Errorf("greeting begins with %q", head)
	}
	return nil
}

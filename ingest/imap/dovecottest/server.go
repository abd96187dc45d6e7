// Package dovecottest runs a real Dovecot for tests, on Maildirs and a password
// file.
package dovecottest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"radicado/ingest/imap/servertest"
)

// Server is a running Dovecot.
type Server struct {
	*servertest.Base
	users []string

	configure  func() error // writes the configuration
	mechanisms string       // as Dovecot names them
	hashed     string       // the user whose password is kept as a hash

	delivered atomic.Int64
}

var _ servertest.Server = (*Server)(nil)

// Start starts a Dovecot with these users; Password tells what they log in
// with. It is stopped when the test ends. Without Dovecot the test is skipped.
func Start(t testing.TB, users ...string) *Server {
	t.Helper()
	binary, err := exec.LookPath("dovecot")
	if err != nil {
		binary = "/usr/sbin/dovecot" // not in every PATH
		if _, err = os.Stat(binary); err != nil {
			servertest.Missing(t, "dovecot", "apt-get install dovecot-imapd")
		}
	}
	s := &Server{Base: servertest.NewBase(t, users), users: users, mechanisms: "plain login"}
	if err := s.prepare(); err != nil {
		t.Fatalf("prepare dovecot: %v", err)
	}
	config := filepath.Join(s.Dir, "dovecot.conf")
	s.Launch(t, func(plain, secure int) error {
		s.configure = func() error { return os.WriteFile(config, []byte(s.config(plain, secure)), 0o644) }
		return s.configure()
	}, func() *exec.Cmd { return exec.Command(binary, "-F", "-c", config) })
	return s
}

// SetPassword changes what the user logs in with; it holds for the next login.
// The new one must differ in length, or Dovecot, which looks at size and whole
// seconds, may not notice.
func (s *Server) SetPassword(user, password string) error {
	if err := s.Base.SetPassword(user, password); err != nil {
		return err
	}
	return s.writePasswords()
}

// SetMechanisms changes by which SASL mechanisms a stopped Dovecot lets log in,
// separated by spaces.
func (s *Server) SetMechanisms(names string) error {
	s.mechanisms = names
	return s.configure()
}

// SetHashed makes the user's password one that only PLAIN and LOGIN can check.
func (s *Server) SetHashed(user string) error {
	if !slices.Contains(s.users, user) {
		return fmt.Errorf("set hashed: no user %s", user)
	}
	s.hashed = user
	return s.writePasswords()
}

// Folder returns the name itself.
func (s *Server) Folder(name string) string { return name }

// Renumber makes the INBOX a new one with the same mails, as when it was deleted
// and restored: a new UIDVALIDITY, UIDs from 1. A running Dovecot is restarted.
func (s *Server) Renumber(user string) error {
	running := s.Running()
	s.Stop()
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
	if !running {
		return nil
	}
	return s.Restart()
}

// Maildir returns the path of a user's INBOX.
func (s *Server) Maildir(user string) string { return filepath.Join(s.Dir, "mail", user) }

// Deliver puts a mail into a user's INBOX as a delivery agent does: written to
// tmp/, then renamed into new/.
func (s *Server) Deliver(user string, raw []byte) error {
	if !slices.Contains(s.users, user) {
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
		if err := os.Chown(path, s.UID, s.GID); err != nil {
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
	if err := os.Chown(tmp, s.UID, s.GID); err != nil {
		return fmt.Errorf("deliver to %s: %w", user, err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "new", name)); err != nil {
		return fmt.Errorf("deliver to %s: %w", user, err)
	}
	return nil
}

func (s *Server) prepare() error {
	// The users' own folders are made below it.
	if err := os.Mkdir(filepath.Join(s.Dir, "mail"), 0o755); err != nil {
		return err
	}
	for _, name := range s.users {
		for _, sub := range []string{"", "new", "cur", "tmp"} {
			path := filepath.Join(s.Maildir(name), sub)
			if err := os.MkdirAll(path, 0o700); err != nil {
				return err
			}
			if err := os.Chown(path, s.UID, s.GID); err != nil {
				return err
			}
		}
	}
	return s.writePasswords()
}

func (s *Server) writePasswords() error {
	var passwd strings.Builder
	for _, name := range s.users {
		password := "{PLAIN}" + s.Password(name)
		if name == s.hashed {
			sum := sha256.Sum256([]byte(s.Password(name)))
			password = "{SHA256}" + base64.StdEncoding.EncodeToString(sum[:])
		}
		fmt.Fprintf(&passwd, "%s:%s:%d:%d::%s::\n", name, password, s.UID, s.GID, filepath.Join(s.Dir, "mail"))
	}
	return os.WriteFile(filepath.Join(s.Dir, "passwd"), []byte(passwd.String()), 0o644)
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
%[6]s`, s.Dir, internal, login, plain, secure, chroot, s.mechanisms)
}

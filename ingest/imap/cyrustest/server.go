// Package cyrustest runs a real Cyrus IMAP for tests. Its dialect differs from
// Dovecot's in much: mails are kept and numbered by a database of its own,
// folders are below INBOX with a dot, a master starts a process for each
// connection.
//
// Debian's cyrus-imapd cannot be installed beside dovecot-imapd; .ci/cyrus
// unpacks it where Start finds it.
package cyrustest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"radicado/ingest/imap/servertest"
)

// Root is the environment variable that names the directory into which Debian's
// packages of Cyrus were unpacked, if it is none of those that .ci/cyrus uses.
const Root = "RADICADO_CYRUS"

// admin may make and delete everybody's mailboxes.
const admin = "cyrus"

// Server is a running Cyrus.
type Server struct {
	*servertest.Base
	root  string
	users []string

	senders map[string]*sender // by user
}

var _ servertest.Server = (*Server)(nil)

// Start starts a Cyrus with these users; Password tells what they log in with.
// It is stopped when the test ends. Without Cyrus the test is skipped.
func Start(t testing.TB, users ...string) *Server {
	t.Helper()
	root := find()
	if root == "" {
		servertest.Missing(t, "cyrus", "run .ci/cyrus")
	}
	s := &Server{Base: servertest.NewBase(t, append([]string{admin}, users...)), root: root, users: users, senders: make(map[string]*sender)}
	for _, name := range users {
		s.senders[name] = &sender{server: s, user: name}
	}
	if err := s.prepare(); err != nil {
		t.Fatalf("prepare cyrus: %v", err)
	}
	logins, err := listenLogins(filepath.Join(s.Dir, "run", "mux"), s.Password)
	if err != nil {
		t.Fatalf("prepare cyrus: %v", err)
	}
	t.Cleanup(logins.close)
	s.Launch(t, s.configure, s.command)
	t.Cleanup(s.closeSenders)
	for _, name := range users {
		if err := s.asAdmin(func(c *client) error { return c.Create("user."+name, nil).Wait() }); err != nil {
			t.Fatalf("create the mailbox of %s: %v", name, err)
		}
	}
	return s
}

// find returns the directory below which usr/lib/cyrus is, "" if there is none.
func find() string {
	roots := []string{os.Getenv(Root), "/var/cache/radicado/cyrus"}
	if cache, err := os.UserCacheDir(); err == nil {
		roots = append(roots, filepath.Join(cache, "radicado", "cyrus"))
	}
	for _, root := range append(roots, "/") {
		if root == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "usr/lib/cyrus/bin/imapd")); err == nil {
			return root
		}
	}
	return ""
}

func (s *Server) path(program string) string {
	return filepath.Join(s.root, "usr/lib/cyrus/bin", program)
}

// Stop is servertest.Server's.
func (s *Server) Stop() {
	s.closeSenders() // before, so that none is amid a mail
	s.Base.Stop()
}

// Restart is servertest.Server's. What was delivered meanwhile is handed over
// first.
func (s *Server) Restart() error {
	if err := s.Base.Restart(); err != nil {
		return err
	}
	for _, name := range s.users {
		if err := s.senders[name].flush(); err != nil {
			return err
		}
	}
	return nil
}

// Folder returns the name below INBOX, where a user's folders are.
func (s *Server) Folder(name string) string { return "INBOX." + name }

func (s *Server) prepare() error {
	for _, sub := range []string{"conf", "conf/socket", "spool", "run"} {
		path := filepath.Join(s.Dir, sub)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, s.UID, s.GID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) command() *exec.Cmd {
	cmd := exec.Command(s.path("master"), "-D",
		"-C", filepath.Join(s.Dir, "imapd.conf"), "-M", filepath.Join(s.Dir, "cyrus.conf"), "-p", filepath.Join(s.Dir, "run", "master.pid"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(s.libraries(), ":"))
	return cmd
}

// libraries returns the directories of the libraries unpacked with Cyrus.
func (s *Server) libraries() (dirs []string) {
	for _, pattern := range []string{"usr/lib/*-linux-*", "lib/*-linux-*"} {
		found, err := filepath.Glob(filepath.Join(s.root, pattern))
		if err == nil { // the pattern is sound
			dirs = append(dirs, found...)
		}
	}
	return dirs
}

func (s *Server) configure(plain, secure int) error {
	owner, err := user.LookupId(strconv.Itoa(s.UID))
	if err != nil {
		return err
	}
	imapd := filepath.Join(s.Dir, "imapd.conf")
	settings := fmt.Sprintf(`
configdirectory: %[1]s/conf
defaultpartition: default
partition-default: %[1]s/spool
proc_path: %[1]s/run/proc
mboxname_lockpath: %[1]s/run/lock
idlesocket: %[1]s/run/idle
cyrus_user: %[2]s
admins: %[3]s
altnamespace: no
unixhierarchysep: no
virtdomains: off
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: %[1]s/run/mux
sasl_mech_list: PLAIN LOGIN
allowplaintext: yes
failedloginpause: 0
maxlogins_per_user: 100
tls_server_cert: %[1]s/cert.pem
tls_server_key: %[1]s/key.pem
tls_session_timeout: 0
quota_db: twoskip
expunge_mode: immediate
delete_mode: immediate
`, s.Dir, owner.Username, admin)
	services := fmt.Sprintf(`
START {
  recover cmd="%[1]s -C %[2]s -r"
}
DAEMON {
  idled cmd="%[3]s -C %[2]s"
}
SERVICES {
  imap cmd="%[4]s -C %[2]s" listen="127.0.0.1:%[5]d" prefork=0
  imaps cmd="%[4]s -s -C %[2]s" listen="127.0.0.1:%[6]d" prefork=0
}
EVENTS {
}
`, s.path("ctl_cyrusdb"), imapd, s.path("idled"), s.path("imapd"), plain, secure)
	if err := os.WriteFile(imapd, []byte(settings), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, "cyrus.conf"), []byte(services), 0o644)
}

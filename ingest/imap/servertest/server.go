// Package servertest is what the real mail servers for tests have in common: a
// process on free ports of 127.0.0.1 in a directory of its own, certificates of
// an authority of its own, and users with passwords. It does not touch the
// machine's configuration.
package servertest

import (
	"os"
	"testing"
	"time"
)

// RequireServers is the environment variable that, set to 1, turns the skip for
// want of a server into a failure.
const RequireServers = "RADICADO_REQUIRE_SERVERS"

// Server is a real IMAP server. Its methods are for one goroutine, but for
// Deliver and Password.
type Server interface {
	// Addr returns host:port of the IMAP port, plain and STARTTLS.
	Addr() string
	// TLSAddr returns host:port of the IMAPS port.
	TLSAddr() string
	// CAFile returns the path of the authority's certificate, in PEM.
	CAFile() string
	// Password returns what the user logs in with, "" if there is no such user.
	Password(user string) string
	// SetPassword changes what the user logs in with; it holds for the next
	// login. The new one must differ in length.
	SetPassword(user, password string) error
	// SetCertificate gives the server a certificate of the same authority that
	// ends at end. It is used from the next start.
	SetCertificate(end time.Time) error
	// Deliver puts a mail into a user's INBOX, byte for byte. While the server
	// is stopped the mail is there once it is started again.
	Deliver(user string, raw []byte) error
	// Stop ends the server with all its connections, as a crash of the machine
	// does for its clients. What it serves stays.
	Stop()
	// Restart starts a stopped server on the same ports, and returns once it
	// answers.
	Restart() error
	// Renumber deletes the user's INBOX and restores it with the same mails: a
	// new UIDVALIDITY, UIDs from 1. A running server runs afterwards.
	Renumber(user string) error
	// Folder returns what clients call the user's folder of this name beside
	// INBOX.
	Folder(name string) string
}

// Missing ends the test for want of a server: it is skipped, or fails if
// RequireServers says so. hint is how to get the server.
func Missing(t testing.TB, what, hint string) {
	t.Helper()
	if os.Getenv(RequireServers) == "1" {
		t.Fatalf("no %s, and %s=1: %s", what, RequireServers, hint)
	}
	t.Skipf("no %s: %s", what, hint)
}

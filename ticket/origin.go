package ticket

import (
	"fmt"
	"time"
)

// UID is an IMAP unique identifier (RFC 9051 section 2.3.1.1); 0 is none.
type UID uint32

// Origin says where a mail was met. A mail from a file has no UID but a Path.
type Origin struct {
	Mailbox     string `json:"mailbox"`                // the desk's name for it: "soporte", "pqrsa"
	Folder      string `json:"folder,omitempty"`       // IMAP folder, UTF-8
	UIDValidity uint32 `json:"uid_validity,omitempty"` //
	UID         UID    `json:"uid,omitempty"`          //
	Path        string `json:"path,omitempty"`         // file, with "#n" for the n-th mail of an mbox
}

// FromServer reports whether the mail was met on a mail server, so that its
// outcome is recorded in the ledger and its folder's cursor moves.
func (o Origin) FromServer() bool { return o.UID != 0 }

// String names the mail for logs and errors.
func (o Origin) String() string {
	if o.FromServer() {
		return fmt.Sprintf("%s/%s uid %d (uidvalidity %d)", o.Mailbox, o.Folder, o.UID, o.UIDValidity)
	}
	return o.Path
}

// Cursor says how far a folder has been taken: every UID up to Last, under this
// UIDVALIDITY, has a recorded outcome. A changed UIDVALIDITY begins anew.
type Cursor struct {
	UIDValidity uint32    `json:"uid_validity"`
	Last        UID       `json:"last"`
	At          time.Time `json:"at"` // of the last move
}

// Outcome is the ledger's entry for one mail met on a server.
type Outcome struct {
	Disposition Disposition `json:"disposition"`
	Ticket      Number      `json:"ticket"`  // zero where none was opened or joined
	Digest      Digest      `json:"sha256"`  // of the mail as met
	Message     Digest      `json:"message"` // which it was found to be; another digest where only trace fields differ
	At          time.Time   `json:"at"`
}

package ingest

import (
	"context"
	"io"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// ErrStorage is in the error of a Sink whose disk cannot be written. It is no
// mail's fault: each is to be offered again until the disk can.
var ErrStorage = store.ErrCommit

// Mail is one mail as a source hands it over, not yet read.
type Mail struct {
	Origin ticket.Origin
	// Previous is the UID that the folder's cursor must have reached before
	// this mail may be committed: the one that the source handed over before
	// it, or where the source found the cursor. So a mail that failed is never
	// jumped over by those behind it. Unused for files.
	Previous ticket.UID
	// ReceivedAt is when our mail server took the mail (INTERNALDATE). The zero
	// value lets the pipeline use the topmost Received field, else Date, else now.
	ReceivedAt time.Time
	// Size is the announced size in bytes, 0 if unknown. A body that ends
	// before it fails with io.ErrUnexpectedEOF and nothing is stored.
	Size int64
	// TooLarge says, to Quarantine, that the mail is above the size limit and that
	// Body is its header alone. It is recorded as refused.
	TooLarge bool
	// Junk says that the mail server had put the mail with the spam: what comes of
	// it is flagged for review.
	Junk bool
	// Body is read once, to its end.
	Body io.Reader
}

// Result is what became of a mail.
type Result struct {
	Disposition ticket.Disposition
	Ticket      ticket.Ticket // zero Number where the mail belongs to none
	Digest      ticket.Digest
	// Repeated is true where the mail's outcome had been recorded before, so
	// that nothing was written now.
	Repeated bool
}

// Pending is a mail on its way to disk.
type Pending interface {
	// Wait blocks until the mail is durably stored or has failed. Only after a
	// nil error may the source touch the mail on its server.
	Wait(ctx context.Context) (Result, error)
}

// Sink takes mails. The Pipeline is one; sources see no more of it.
type Sink interface {
	// Take reads m.Body to its end and brings the mail on its way to disk, behind
	// those of its folder that were taken before. It blocks while too many mails
	// are under way. An error means that the body could not be read or the store
	// cannot take it: the mail is to be offered again, and so are those whose
	// Wait fails. One source calls Take for one folder from one goroutine, in the
	// order of UIDs.
	Take(ctx context.Context, m Mail) (Pending, error)

	// Quarantine records a mail that could not be taken after several tries,
	// with whatever of it is in m.Body, so that it does not block those behind.
	Quarantine(ctx context.Context, m Mail, reason string) (Pending, error)

	// Cursor returns how far a folder has been taken; the zero value if never.
	Cursor(ctx context.Context, mailbox, folder string) (ticket.Cursor, error)

	// Recorded returns when the outcome of the mail met at o was recorded; the
	// zero time if none is.
	Recorded(ctx context.Context, o ticket.Origin) (time.Time, error)
}

// Source brings mails from one mailbox to a sink until ctx ends.
type Source interface {
	Run(ctx context.Context, sink Sink) error
}

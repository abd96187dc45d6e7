// Package store keeps the whole desk in one bbolt file: copy it and you have
// moved it. Records are the truth, indexes and counters are rebuilt from them
// by [Store.Repair] and compared with them by [Store.Check].
//
// # Values
//
// A value is one version byte and JSON; a body is one version byte and JSON in
// zstd. Values of index buckets are empty unless said otherwise.
//
// # Keys
//
// Keys order as what they stand for: integers are big-endian; a time is its
// Unix seconds with the sign bit flipped (8 bytes) and nanoseconds (4); a
// number is year (2) and sequence (4); a string has 0x00 escaped as 0x00 0xFF
// and ends with 0x00 0x01. A seq (8) is given to each message and each of its
// filings once, in order of arrival, and kept in the message's record.
//
//	meta        "schema" -> schema version (4)
//	years       year (2) -> last sequence given out (4)
//	tickets     number -> ticket
//	events      number, event's seq (8) -> event
//	messages    digest (32) -> message without its text, with its seqs
//	bodies      digest -> text, HTML and new text
//	ledger      1, mailbox, folder, uidvalidity (4), uid (4) -> outcome
//	            2, mailbox, path -> outcome of a mail from a file
//	cursors     mailbox, folder -> cursor
//	blobs       digest -> id, chunks and sizes of an original
//	chunks      blob id (8), index (4) -> at most 256 KiB of zstd
//	            blob id, index, 0 to 3 -> nothing, see fillers
//	pending     blob id (8) -> when it was begun; not attached yet
//
//	ix.queue       order
//	ix.due         time, number -> closed (1), priority (1)
//	ix.mailbox     mailbox, order
//	ix.type        type, order
//	ix.status      status, order
//	ix.priority    priority (1), order
//	ix.assignee    assignee ("" is nobody's), order
//	ix.review      order, of tickets flagged for review
//	ix.quarantined order, of tickets in quarantine
//	ix.text        number -> folded number, subject, customer
//	ix.thread      number, seq -> digest
//	ix.unfiled     seq -> digest, of messages with a filing without ticket
//	ix.messageid   SHA-256 of the Message-ID, seq -> digest
//	ix.content     content digest, seq -> digest
//	counters       name, 0x00, value -> count (8)
//
// Order is the queue's: closed (1), priority (1), due (time), number.
//
// # Goroutines
//
// One goroutine, the committer, owns all writing; see [Store.Submit]. Readers
// use short transactions: a long one makes the file grow and can stop the
// writer where the file outgrows its mapping.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Errors that callers branch on.
var (
	ErrNotFound    = errors.New("not found")
	ErrInUse       = errors.New("store is in use by another process")
	ErrCommit      = errors.New("commit") // the file cannot be written, as when the disk is full
	ErrNewerSchema = errors.New("store was written by a newer version")
	ErrClosed      = errors.New("store is closed")
	ErrOutOfOrder  = errors.New("cursor is not at the mail before") // from Tx.AdvanceCursor
)

// Defaults of [Options].
const (
	DefaultLockTimeout = time.Second
	DefaultInitialMmap = 1 << 30 // address space, not memory: below it a growing file waits for no reader
	DefaultMaxBatch    = 256
)

// Options says how to open a store. The zero value is right for a daemon.
type Options struct {
	ReadOnly    bool             // creates nothing; all writes fail
	LockTimeout time.Duration    // how long to wait for another process; 0: [DefaultLockTimeout]
	InitialMmap int              // bytes a writer maps beyond the file's size; 0: [DefaultInitialMmap]
	NoSync      bool             // no fsync: only for benchmarks and tests that measure
	MaxBatch    int              // at most this many functions a transaction; 0: [DefaultMaxBatch]
	Now         func() time.Time // nil: [time.Now]
	Logger      *slog.Logger     // nil discards
	// OnCommit is told of each commit that is durable, from the committer's
	// goroutine and before anybody is answered: it must not block. May be nil.
	OnCommit func(CommitInfo)

	hooks hooks
}

// CommitInfo says what one commit was.
type CommitInfo struct {
	Functions int           // that shared it, at least 1; a mail is one, and so is each chunk of a large original
	Took      time.Duration // of the commit alone: writing its pages and fsync
}

// hooks lets tests fail or kill at named points. All are nil in use.
type hooks struct {
	beforeCommit func() error // in the transaction, after all functions
	afterCommit  func()       // durable, nobody told yet
	afterChunk   func()       // a chunk of an original is durable, the blob not attached
	migrations   []migration  // instead of the package's
}

// Store is an open store. Its methods may be used from any goroutine.
type Store struct {
	db   *bbolt.DB
	path string
	o    Options

	queue     chan *request
	closing   chan struct{} // closed when Close begins
	committed chan struct{} // closed when the committer has ended

	mu      sync.Mutex
	closed  bool
	senders sync.WaitGroup         // Submits on their way into queue
	live    map[uint64]*BlobWriter // blob ids that are pending by right; see SweepBlobs
}

// Open opens the store at path, or creates it with mode 0600 unless o.ReadOnly.
// An older schema is migrated in a transaction after a backup was written
// beside the file. Open fails with [ErrInUse] if another process holds the
// file, [ErrNewerSchema], or an error wrapping [fs.ErrNotExist].
func Open(path string, o Options) (s *Store, err error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if o.InitialMmap <= 0 {
		o.InitialMmap = DefaultInitialMmap
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.hooks.migrations == nil {
		o.hooks.migrations = migrations()
	}
	info, statErr := os.Stat(path)
	created := errors.Is(statErr, fs.ErrNotExist)
	if o.ReadOnly && statErr == nil && info.Size() == 0 {
		return nil, fmt.Errorf("open store %s: the file is empty", path)
	}
	db, err := openDB(path, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s = &Store{
		db: db, path: path, o: o,
		queue:     make(chan *request, o.MaxBatch),
		closing:   make(chan struct{}),
		committed: make(chan struct{}),
		live:      map[uint64]*BlobWriter{},
	}
	if err := s.migrate(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if o.ReadOnly {
		close(s.committed)
		return s, nil
	}
	if created {
		if err := syncDir(filepath.Dir(path)); err != nil {
			_ = db.Close()
			return nil, fmt.Errorf("open store %s: %w", path, err)
		}
	}
	go s.commitLoop()
	// Nobody else has the file, so whatever is pending was left by a crash.
	n, err := s.SweepBlobs(context.Background(), 0)
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if n > 0 {
		o.Logger.Info("removed originals that a crash left unfinished", "count", n)
	}
	return s, nil
}

// openDB opens the file. bbolt panics on some damaged files; here that is an
// error like any other.
func openDB(path string, o Options) (db *bbolt.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("damaged file: %v", r)
		}
	}()
	bo := &bbolt.Options{
		Timeout:         o.LockTimeout,
		ReadOnly:        o.ReadOnly,
		FreelistType:    bbolt.FreelistMapType,
		NoSync:          o.NoSync,
		PreLoadFreelist: true, // Check needs it also when read-only
	}
	if !o.ReadOnly {
		bo.InitialMmapSize = o.InitialMmap
		// A large file gets as much room to grow as a new one.
		if info, err := os.Stat(path); err == nil {
			bo.InitialMmapSize += int(info.Size())
		}
	}
	db, err = bbolt.Open(path, 0o600, bo)
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrInUse
	}
	return db, err
}

// Path returns the path that the store was opened with.
func (s *Store) Path() string { return s.path }

// Size returns the size of the file in bytes.
func (s *Store) Size() (int64, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0, fmt.Errorf("size of the store: %w", err)
	}
	return info.Size(), nil
}

// Close lets queued updates finish, then closes the file. Whoever is still
// blocked in Submit gets [ErrClosed]. Closing twice is no error.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		close(s.closing)
	}
	s.mu.Unlock()
	if first && !s.o.ReadOnly {
		s.senders.Wait()
		close(s.queue)
	}
	<-s.committed
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// View runs fn in a read transaction. It must be short, must not write to a
// network, and must not wait for Update or Submit, which could then never
// finish. What the Tx returns stays valid afterwards.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.db.View(func(btx *bbolt.Tx) error { return fn(&Tx{s: s, tx: btx}) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// syncDir makes a new file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

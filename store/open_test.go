package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"radicado/ticket"
)

func TestOpenCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "radicado.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if s.Path() != path {
		t.Errorf("path %q", s.Path())
	}
	for _, readOnly := range []bool{false, true} {
		_, err := Open(path, Options{ReadOnly: readOnly, LockTimeout: time.Millisecond})
		if !errors.Is(err, ErrInUse) {
			t.Errorf("second open (read-only: %t): %v", readOnly, err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "radicado.db")
	if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open a missing file: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a read-only open left a file: %v", err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustStoreMail(t, s, 1, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatalf("two readers: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Update(context.Background(), func(*Tx) error { return nil }); !errors.Is(err, errReadOnly) {
		t.Errorf("update: %v", err)
	}
	if err := s.Repair(context.Background()); !errors.Is(err, errReadOnly) {
		t.Errorf("repair: %v", err)
	}
	if d, err := s.Detail(context.Background(), ticket.Number{Year: 2026, Seq: 1}); err != nil || len(d.Thread) != 1 {
		t.Errorf("detail: %+v, %v", d, err)
	}
	checkAndClose(t, s)
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("reading changed the file: %v", err)
	}
}

func TestOpenForeignFiles(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte("not a database, though it is long enough to look at"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{foreign, text, dir} {
		for _, readOnly := range []bool{false, true} {
			if s, err := Open(path, Options{ReadOnly: readOnly}); err == nil {
				s.Close()
				t.Errorf("%s opened (read-only: %t)", path, readOnly)
			}
		}
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(empty, Options{ReadOnly: true}); err == nil {
		s.Close()
		t.Error("an empty file opened read-only")
	}
	s, err := Open(empty, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, s)
}

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoGoroutineStays(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	s, err := Open(filepath.Join(t.TempDir(), "radicado.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustStoreMail(t, s, 1, 1<<20)
	checkAndClose(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	goleak.VerifyNone(t, ignore)
}

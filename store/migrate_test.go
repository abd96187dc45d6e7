package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"radicado/ticket"
)

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "radicado.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustStoreMail(t, s, 1, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	broken := errors.New("broken")
	two := func(fail error) Options {
		return Options{hooks: hooks{migrations: append(migrations(),
			migration{to: 2, run: func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("two")); return err }},
			migration{to: 3, run: func(tx *bbolt.Tx) error {
				if tx.Bucket([]byte("two")) == nil {
					return errors.New("out of order")
				}
				return fail
			}},
		)}}
	}
	if _, err := Open(path, two(broken)); !errors.Is(err, broken) {
		t.Fatalf("migration that fails: %v", err)
	}
	s, err = Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatalf("open after a migration that failed: %v", err)
	}
	checkAndClose(t, s)

	readOnly := two(nil)
	readOnly.ReadOnly = true
	if s, err := Open(path, readOnly); err == nil {
		s.Close()
		t.Error("an older schema opened read-only")
	}
	s, err = Open(path, two(nil))
	if err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, s)
	if s, err = Open(path, two(nil)); err != nil {
		t.Fatalf("open the migrated store: %v", err)
	}
	checkAndClose(t, s)
	for _, readOnly := range []bool{false, true} {
		if _, err := Open(path, Options{ReadOnly: readOnly}); !errors.Is(err, ErrNewerSchema) {
			t.Errorf("open by an older version (read-only: %t): %v", readOnly, err)
		}
	}

	backup := path + ".schema-1.bak"
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v", err)
	}
	s, err = Open(backup, Options{})
	if err != nil {
		t.Fatalf("open the backup: %v", err)
	}
	defer checkAndClose(t, s)
	err = s.View(t.Context(), func(tx *Tx) error { _, err := tx.Ticket(ticket.Number{Year: 2026, Seq: 1}); return err })
	if err != nil {
		t.Error(err)
	}
	rest, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(rest) != 2 {
		t.Errorf("files left: %v, %v", rest, err)
	}
}

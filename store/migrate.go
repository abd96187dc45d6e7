package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// migration makes a store of the schema before into one of schema to. It sees
// raw buckets only: the package's own types belong to the newest schema.
type migration struct {
	to  uint32
	run func(tx *bbolt.Tx) error
}

// migrations lists all, in order. The last one's schema is the present one; the
// first makes an empty file a store.
func migrations() []migration {
	return []migration{
		{to: 1, run: createBuckets},
	}
}

func schemaKey() []byte { return []byte("schema") }

func createBuckets(tx *bbolt.Tx) error {
	for _, b := range append(recordBuckets(), derivedBuckets()...) {
		if _, err := tx.CreateBucket([]byte(b)); err != nil {
			return fmt.Errorf("create bucket %s: %w", b, err)
		}
	}
	return nil
}

// readSchema returns 0 for an empty file and fails on a bbolt file of others.
func readSchema(tx *bbolt.Tx) (uint32, error) {
	meta := tx.Bucket([]byte(bucketMeta))
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return 0, errors.New("not a store of radicado")
		}
		return 0, nil
	}
	v := meta.Get(schemaKey())
	if len(v) != 4 {
		return 0, fmt.Errorf("schema version: %w", errValue)
	}
	return binary.BigEndian.Uint32(v), nil
}

// migrate brings the file to the present schema.
func (s *Store) migrate() error {
	all := s.o.hooks.migrations
	present := all[len(all)-1].to
	var schema uint32
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		schema, err = readSchema(tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case schema == present:
		return nil
	case schema > present:
		return fmt.Errorf("schema %d, this version knows %d: %w", schema, present, ErrNewerSchema)
	case s.o.ReadOnly && schema == 0:
		return errors.New("the store is empty")
	case s.o.ReadOnly:
		return fmt.Errorf("schema %d must be migrated to %d first: open it for writing once", schema, present)
	}
	if schema > 0 {
		path := fmt.Sprintf("%s.schema-%d.bak", s.path, schema)
		if err := s.backup(path); err != nil {
			return fmt.Errorf("backup before migration to schema %d: %w", present, err)
		}
		s.o.Logger.Info("migrating the store", "from", schema, "to", present, "backup", path)
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, m := range all {
			if m.to <= schema {
				continue
			}
			if err := m.run(tx); err != nil {
				return fmt.Errorf("migrate to schema %d: %w", m.to, err)
			}
		}
		v := binary.BigEndian.AppendUint32(nil, present)
		return tx.Bucket([]byte(bucketMeta)).Put(schemaKey(), v)
	})
}

// backup copies the file as it stands. The copy appears whole or not at all.
func (s *Store) backup(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = s.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(tmp)
		return err
	})
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

package store

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"radicado/ticket"
)

// errReadOnly is returned by write methods in a View or a read-only store.
var errReadOnly = errors.New("store is open for reading only")

// Tx is a transaction. It belongs to the function it was handed to and dies
// with it. Write methods fail in a View.
type Tx struct {
	s  *Store
	tx *bbolt.Tx

	changes int // puts and deletes so far: a function that made none needs no undoing
	bytes   int // of values put
	// given are numbers handed out by the running function and not yet put: a
	// function may not leave one, it would be a gap.
	given map[ticket.Number]bool
}

func (tx *Tx) bucket(b bucket) *bbolt.Bucket { return tx.tx.Bucket([]byte(b)) }

func (tx *Tx) get(b bucket, key []byte) []byte { return tx.bucket(b).Get(key) }

// put stores value, which must not be changed until the transaction ends.
func (tx *Tx) put(b bucket, key, value []byte) error {
	if !tx.tx.Writable() {
		return errReadOnly
	}
	tx.changes++
	tx.bytes += len(key) + len(value)
	if err := tx.bucket(b).Put(key, value); err != nil {
		return fmt.Errorf("put into %s: %w", b, err)
	}
	return nil
}

func (tx *Tx) delete(b bucket, key []byte) error {
	if !tx.tx.Writable() {
		return errReadOnly
	}
	tx.changes++
	if err := tx.bucket(b).Delete(key); err != nil {
		return fmt.Errorf("delete from %s: %w", b, err)
	}
	return nil
}

// next returns the bucket's next sequence number, from 1.
func (tx *Tx) next(b bucket) (uint64, error) {
	if !tx.tx.Writable() {
		return 0, errReadOnly
	}
	tx.changes++
	n, err := tx.bucket(b).NextSequence()
	if err != nil {
		return 0, fmt.Errorf("sequence of %s: %w", b, err)
	}
	return n, nil
}

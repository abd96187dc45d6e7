package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	berrors "go.etcd.io/bbolt/errors"
)

const (
	// maxBatchBytes ends a group early, so that a transaction's memory is bounded
	// by bytes and not only by the number of functions.
	maxBatchBytes = 16 << 20
	// maxReruns bounds how often a group is run again for failing functions.
	// After it the functions before the failing one are committed apart, so that
	// a long row of failures costs one run each.
	maxReruns = 4
)

// request is one function on its way to disk.
type request struct {
	ctx  context.Context
	fn   func(*Tx) error
	done chan<- error // gets exactly one value; buffered

	err     error
	settled bool // err is its result; it is not run again
}

// Submit queues fn for the next group commit, first in, first out: functions
// queued together run in order in one bbolt transaction with one commit. A lone
// caller waits for nobody.
//
// If fn returns an error or panics, its effects are wholly undone and the
// others still commit. To that end the transaction may be rolled back and run
// again, so fn may run more than once and must be repeatable: it sets what it
// hands out, it does not add to it. fn must not call Submit, Update or a
// BlobWriter and wait for them.
//
// The channel gets exactly one value: nil once fn's effects are durable, else
// the error. After a failed commit each function of the group gets that error
// and the store stays usable; such a commit can nevertheless have reached the
// disk where only the last sync failed, so ask before doing a thing again.
// Submit blocks while the queue is full. A ctx that ends before fn was started
// keeps it from running; the channel then gets ctx.Err().
func (s *Store) Submit(ctx context.Context, fn func(*Tx) error) <-chan error {
	done := make(chan error, 1)
	if s.o.ReadOnly {
		done <- errReadOnly
		return done
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		done <- ErrClosed
		return done
	}
	s.senders.Add(1)
	s.mu.Unlock()
	defer s.senders.Done()
	if err := ctx.Err(); err != nil {
		done <- err
		return done
	}
	select {
	case s.queue <- &request{ctx: ctx, fn: fn, done: done}:
	case <-ctx.Done():
		done <- ctx.Err()
	case <-s.closing:
		done <- ErrClosed
	}
	return done
}

// Update is Submit and waits. It returns only when fn's fate is decided, also
// if ctx ends meanwhile.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	return <-s.Submit(ctx, fn)
}

// commitLoop is the committer: it takes what is queued and commits it together,
// until the queue is closed and empty.
func (s *Store) commitLoop() {
	defer close(s.committed)
	group := make([]*request, 0, s.o.MaxBatch)
	for r := range s.queue {
		group = append(group[:0], r)
	drain:
		for len(group) < s.o.MaxBatch {
			select {
			case r, ok := <-s.queue:
				if !ok {
					break drain
				}
				group = append(group, r)
			default:
				break drain
			}
		}
		for rest := group; len(rest) > 0; {
			n := s.commitGroup(rest)
			rest = rest[n:]
		}
		clear(group)
	}
}

// commitGroup runs and commits the first n requests of group, n >= 1, and
// answers them.
func (s *Store) commitGroup(group []*request) (n int) {
	n = len(group)
	reruns := 0
	for {
		btx, err := s.db.Begin(true)
		if err != nil {
			answer(group[:n], fmt.Errorf("%w: begin transaction: %w", ErrCommit, err))
			return n
		}
		tx := &Tx{s: s, tx: btx}
		failed := -1
		for i, r := range group[:n] {
			if r.settled {
				continue
			}
			if err := r.ctx.Err(); err != nil {
				r.settle(err)
				continue
			}
			before := tx.changes
			if err := tx.call(r.fn); err != nil {
				r.settle(err)
				if tx.changes == before {
					continue // nothing to undo
				}
				failed = i
				break
			}
			if tx.bytes > maxBatchBytes {
				n = i + 1
				break
			}
		}
		if failed >= 0 {
			_ = btx.Rollback()
			if reruns++; reruns > maxReruns {
				n = failed + 1
			}
			if allSettled(group[:n]) {
				answer(group[:n], nil)
				return n
			}
			continue
		}
		if tx.changes == 0 {
			_ = btx.Rollback() // nothing to make durable
			answer(group[:n], nil)
			return n
		}
		began := time.Now() // a duration: never the clock of the options
		err = s.commit(tx)
		if err == nil && s.o.OnCommit != nil {
			s.o.OnCommit(CommitInfo{Functions: succeeded(group[:n]), Took: time.Since(began)})
		}
		answer(group[:n], err)
		return n
	}
}

func (s *Store) commit(tx *Tx) error {
	if hook := s.o.hooks.beforeCommit; hook != nil {
		if err := hook(); err != nil {
			_ = tx.tx.Rollback()
			return fmt.Errorf("%w: %w", ErrCommit, err)
		}
	}
	if err := tx.tx.Commit(); err != nil {
		if rollErr := tx.tx.Rollback(); rollErr != nil && !errors.Is(rollErr, berrors.ErrTxClosed) {
			err = errors.Join(err, rollErr)
		}
		s.o.Logger.Error("commit failed", "err", err)
		return fmt.Errorf("%w: %w", ErrCommit, err)
	}
	if hook := s.o.hooks.afterCommit; hook != nil {
		hook()
	}
	return nil
}

// call runs fn; a panic and a number given out for nothing are errors.
func (tx *Tx) call(fn func(*Tx) error) (err error) {
	clear(tx.given)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in update: %v\n%s", r, debug.Stack())
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	for n := range tx.given {
		return fmt.Errorf("number %s was given out but no ticket was put under it", n)
	}
	return nil
}

func (r *request) settle(err error) { r.err, r.settled = err, true }

func allSettled(group []*request) bool {
	for _, r := range group {
		if !r.settled {
			return false
		}
	}
	return true
}

// succeeded counts the requests whose functions ended without error.
func succeeded(group []*request) int {
	n := 0
	for _, r := range group {
		if r.err == nil {
			n++
		}
	}
	return n
}

// answer tells each request its own error, or err where the commit failed: what
// a function found out in a transaction that failed is not to be relied on.
func answer(group []*request, err error) {
	for _, r := range group {
		switch {
		case err != nil:
			r.done <- err
		default:
			r.done <- r.err
		}
	}
}

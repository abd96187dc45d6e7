package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"radicado/ticket"
)

const (
	// chunkSize is the compressed size of all chunks of a blob but the last.
	chunkSize = 256 << 10
	// sweepChunks bounds the entries that one transaction of a sweep removes.
	sweepChunks = 1000
)

var errBlobDone = errors.New("original was finished or aborted")

// chunkBuffers are reused: most mails need a small part of one for a moment.
var chunkBuffers = sync.Pool{New: func() any { b := make([]byte, 0, chunkSize); return &b }}

// blobRecord is an attached original.
type blobRecord struct {
	ID     uint64 `json:"id"`
	Chunks int    `json:"chunks"`
	Size   int64  `json:"size"`   // bytes of the original
	Stored int64  `json:"stored"` // bytes of all chunks
}

// pendingRecord is an original whose chunks are written and that belongs to no
// message yet.
type pendingRecord struct {
	At time.Time `json:"at"`
}

// BlobWriter streams an original into the store. It belongs to one goroutine,
// must not be used inside a function given to Update, and ends with Finish or
// Abort. It holds one chunk being filled and at most [maxFlying] on their way to
// disk.
type BlobWriter struct {
	s   *Store
	ctx context.Context
	enc *zstd.Encoder // nil once done

	buf    *[]byte  // compressed, not yet a full chunk
	flying []flight // chunks on their way to disk, the oldest first

	id     uint64 // 0 until a chunk is stored; the committer's while any is flying
	chunks int
	size   int64
	stored int64
	err    error
}

// maxFlying bounds the chunks of one original on their way to disk. Those that
// wait together share a commit: one at a time, a large original would cost a
// sync of the disk each 256 KiB.
const maxFlying = 6

// flight is a chunk on its way to disk.
type flight struct {
	buf *[]byte
	ack <-chan error
}

// errFirstChunk ends the chunks behind a first one that was not stored.
var errFirstChunk = errors.New("a chunk before it was not stored")

// Blob is a written original that is not attached yet. It is for one goroutine.
type Blob struct {
	s      *Store
	digest ticket.Digest
	rec    blobRecord // ID 0: in data
	data   []byte     // the only chunk of a small one
}

// NewBlob starts streaming an original. Every full chunk is written in a
// transaction of its own under an id marked pending, so that memory stays
// bounded; what fits one chunk stays in memory until [Tx.AttachBlob]. When ctx
// ends, writes fail.
func (s *Store) NewBlob(ctx context.Context) *BlobWriter {
	w := &BlobWriter{s: s, ctx: ctx, enc: encoders.Get().(*zstd.Encoder), buf: chunkBuffers.Get().(*[]byte)}
	w.enc.Reset((*chunker)(w))
	return w
}

// Write takes a part of the original, which must have CRLF or LF line ends as
// it came. After an error only Abort helps.
func (w *BlobWriter) Write(p []byte) (int, error) {
	if w.err == nil && w.enc == nil {
		return 0, errBlobDone
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.enc.Write(p)
	w.size += int64(n)
	if err != nil {
		w.fail(err)
		return n, w.err
	}
	return n, nil
}

// Finish ends the original, whose digest over its canonical form (see
// [ticket.NewCanonicalWriter]) the caller reckoned. On error everything written
// is removed, as by Abort.
func (w *BlobWriter) Finish(d ticket.Digest) (*Blob, error) {
	if w.err == nil && w.enc == nil {
		return nil, errBlobDone
	}
	if w.err == nil && d.IsZero() {
		w.fail(errors.New("no digest"))
	}
	if w.err == nil {
		if err := w.enc.Close(); err != nil {
			w.fail(err)
		}
	}
	b := &Blob{s: w.s, digest: d}
	if w.err == nil && w.chunks == 0 {
		b.data = bytes.Clone(*w.buf)
		w.stored = int64(len(b.data))
		w.chunks = 1
	} else if w.err == nil {
		if len(*w.buf) > 0 {
			w.flush()
		}
		w.landAll()
	}
	if w.err != nil {
		err := w.err
		return nil, errors.Join(err, w.Abort())
	}
	b.rec = blobRecord{ID: w.id, Chunks: w.chunks, Size: w.size, Stored: w.stored}
	w.release()
	return b, nil
}

// Abort removes what was written. It may follow anything; after Finish it does
// nothing.
func (w *BlobWriter) Abort() error {
	if w.enc == nil {
		return nil
	}
	w.landAll()
	w.release()
	if w.err == nil {
		w.err = errBlobDone
	}
	if w.id == 0 {
		return nil
	}
	return w.s.removePending(w.ctx, w.id)
}

func (w *BlobWriter) fail(err error) {
	if w.err == nil {
		w.err = fmt.Errorf("write original: %w", err)
	}
}

// release gives the buffers back.
func (w *BlobWriter) release() {
	w.enc.Reset(nil)
	encoders.Put(w.enc)
	*w.buf = (*w.buf)[:0]
	chunkBuffers.Put(w.buf)
	w.enc, w.buf = nil, nil
}

// chunker is the BlobWriter as the encoder sees it.
type chunker BlobWriter

func (c *chunker) Write(p []byte) (int, error) {
	w := (*BlobWriter)(c)
	n := 0
	for len(p) > 0 {
		if len(*w.buf) == chunkSize {
			w.flush()
		}
		if w.err != nil {
			return n, w.err
		}
		k := min(len(p), chunkSize-len(*w.buf))
		*w.buf = append(*w.buf, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, nil
}

// flush sends the chunk in buf on its way. While it is written the next ones
// are compressed.
func (w *BlobWriter) flush() {
	if len(w.flying) == maxFlying {
		w.land()
	}
	if w.err != nil {
		return
	}
	full, index := w.buf, w.chunks
	w.buf = chunkBuffers.Get().(*[]byte)
	w.chunks++
	w.stored += int64(len(*full))
	ack := w.s.Submit(w.ctx, func(tx *Tx) error {
		if index == 0 {
			next, err := tx.next(bucketChunks)
			if err != nil {
				return err
			}
			value, err := encode(pendingRecord{At: w.s.o.Now()})
			if err != nil {
				return err
			}
			if err := tx.put(bucketPending, seqKey(next), value); err != nil {
				return err
			}
			w.s.setLive(w, next)
			return tx.putChunk(next, index, *full)
		}
		// The first chunk ran before in this goroutine, but its transaction may
		// have failed.
		if w.id == 0 || tx.get(bucketPending, seqKey(w.id)) == nil {
			return errFirstChunk
		}
		return tx.putChunk(w.id, index, *full)
	})
	w.flying = append(w.flying, flight{full, ack})
}

// land waits for the oldest chunk on its way.
func (w *BlobWriter) land() {
	f := w.flying[0]
	w.flying = slices.Delete(w.flying, 0, 1)
	err := <-f.ack
	*f.buf = (*f.buf)[:0]
	chunkBuffers.Put(f.buf)
	if err != nil {
		w.fail(err)
		return
	}
	if hook := w.s.o.hooks.afterChunk; hook != nil {
		hook()
	}
}

func (w *BlobWriter) landAll() {
	for len(w.flying) > 0 {
		w.land()
	}
}

// setLive notes that id is w's, so that no sweep takes it for an orphan. It runs
// in the committer; w.id is read by w's goroutine only after the ack.
func (s *Store) setLive(w *BlobWriter, id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// An earlier run of the same function that was undone had another id.
	if s.live[w.id] == w {
		delete(s.live, w.id)
	}
	w.id = id
	s.live[id] = w
}

func (s *Store) dropLive(w *BlobWriter, id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w == nil || s.live[id] == w {
		delete(s.live, id)
	}
}

func (s *Store) isLive(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id] != nil
}

// AttachBlob makes a finished original permanent under its digest. If the
// digest is stored already, the new chunks are removed instead. A small one is
// written only here.
func (tx *Tx) AttachBlob(b *Blob) error {
	if err := tx.attachBlob(b); err != nil {
		return fmt.Errorf("attach original %s: %w", b.digest, err)
	}
	return nil
}

func (tx *Tx) attachBlob(b *Blob) error {
	if !tx.tx.Writable() {
		return errReadOnly
	}
	stored := tx.get(bucketBlobs, b.digest[:]) != nil
	rec := b.rec
	if rec.ID != 0 {
		if tx.get(bucketPending, seqKey(rec.ID)) == nil {
			if stored {
				return nil // attached before, maybe by this very function
			}
			return errors.New("its chunks are gone")
		}
		if err := tx.delete(bucketPending, seqKey(rec.ID)); err != nil {
			return err
		}
		tx.tx.OnCommit(func() { tx.s.dropLive(nil, rec.ID) })
	}
	if stored {
		_, _, err := tx.removeChunks(rec.ID, math.MaxInt)
		return err
	}
	if rec.ID == 0 {
		var err error
		if rec.ID, err = tx.next(bucketChunks); err != nil {
			return err
		}
		if err := tx.putChunk(rec.ID, 0, b.data); err != nil {
			return err
		}
	}
	value, err := encode(rec)
	if err != nil {
		return err
	}
	return tx.put(bucketBlobs, slices.Clone(b.digest[:]), value)
}

// fillers is how many empty entries follow a large chunk. bbolt splits a page
// only where it has more than four entries and leaves at least two on each
// side, so without fillers each append writes the two to four chunks before it
// again. With four, those before a chunk and those behind become pages of their
// own, and an append finds only fillers at the end: written bytes fall from 4.5
// times the data to about 1.
const fillers = 4

// fillFrom is the size from which a chunk gets fillers; several smaller ones
// fit a page as they are.
const fillFrom = 2 << 10

func (tx *Tx) putChunk(id uint64, index int, data []byte) error {
	key := chunkKey(id, index)
	if err := tx.put(bucketChunks, key, data); err != nil || len(data) < fillFrom {
		return err
	}
	for i := range fillers {
		if err := tx.put(bucketChunks, append(bytes.Clone(key), byte(i)), nil); err != nil {
			return err
		}
	}
	return nil
}

// removeChunks removes at most limit entries of a blob and reports whether that
// were all.
func (tx *Tx) removeChunks(id uint64, limit int) (n int, all bool, err error) {
	if id == 0 {
		return 0, true, nil
	}
	prefix := seqKey(id)
	c := tx.bucket(bucketChunks).Cursor()
	var keys [][]byte
	k, _ := c.Seek(prefix)
	for ; bytes.HasPrefix(k, prefix) && len(keys) < limit; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	all = !bytes.HasPrefix(k, prefix)
	for _, k := range keys {
		if err := tx.delete(bucketChunks, k); err != nil {
			return n, false, err
		}
		n++
	}
	return n, all, nil
}

// Digest returns the digest the original was finished with.
func (b *Blob) Digest() ticket.Digest { return b.digest }

// Size returns the bytes of the original.
func (b *Blob) Size() int64 { return b.rec.Size }

// Open reads the original back, before it is attached or after.
func (b *Blob) Open() (io.ReadCloser, error) {
	if b.rec.ID == 0 {
		return newBlobReader(bytes.NewReader(b.data))
	}
	attached := false
	err := b.s.View(context.Background(), func(tx *Tx) error {
		attached = tx.get(bucketPending, seqKey(b.rec.ID)) == nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open original %s: %w", b.digest, err)
	}
	if attached { // maybe as a duplicate, under another id
		return b.s.OpenBlob(b.digest)
	}
	return newBlobReader(&chunkReader{s: b.s, rec: b.rec})
}

// Discard removes an original that will not be attached after all. On an
// attached one it does nothing.
func (b *Blob) Discard() error {
	if b.rec.ID == 0 {
		return nil
	}
	return b.s.removePending(context.Background(), b.rec.ID)
}

// removePending removes the chunks of a pending blob. It goes on when ctx has
// ended, as it is often called because of that.
func (s *Store) removePending(ctx context.Context, id uint64) error {
	ctx = context.WithoutCancel(ctx)
	defer s.dropLive(nil, id) // if it failed, a sweep may try
	for all := false; !all; {
		err := s.Update(ctx, func(tx *Tx) (err error) {
			all = true
			if tx.get(bucketPending, seqKey(id)) == nil {
				return nil
			}
			if _, all, err = tx.removeChunks(id, sweepChunks); err != nil || !all {
				return err
			}
			return tx.delete(bucketPending, seqKey(id))
		})
		if err != nil {
			return fmt.Errorf("remove unfinished original: %w", err)
		}
	}
	return nil
}

// SweepBlobs removes originals that a crash left unfinished and that were begun
// longer ago than olderThan, and returns how many. Those being written are left
// alone. [Open] does this for all, since nobody else has the file.
func (s *Store) SweepBlobs(ctx context.Context, olderThan time.Duration) (removed int, err error) {
	before := s.o.Now().Add(-olderThan)
	var ids []uint64
	err = s.View(ctx, func(tx *Tx) error {
		return tx.bucket(bucketPending).ForEach(func(k, v []byte) error {
			if len(k) != seqLen {
				return fmt.Errorf("pending %x: %w", k, errKey)
			}
			id := binary.BigEndian.Uint64(k)
			p, err := decode[pendingRecord](v)
			if err == nil && p.At.After(before) && olderThan > 0 || s.isLive(id) {
				return nil
			}
			ids = append(ids, id)
			return nil
		})
	})
	if err != nil {
		return 0, fmt.Errorf("sweep originals: %w", err)
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return removed, fmt.Errorf("sweep originals: %w", err)
		}
		if err := s.removePending(ctx, id); err != nil {
			return removed, fmt.Errorf("sweep originals: %w", err)
		}
		removed++
	}
	return removed, nil
}

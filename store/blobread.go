package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"

	"radicado/ticket"
)

// OpenBlob reads an original as it came. Each chunk is read in a short View of
// its own, so the reader may be as slow as a network. It fails with
// [ErrNotFound].
func (s *Store) OpenBlob(d ticket.Digest) (io.ReadCloser, error) {
	var rec blobRecord
	err := s.View(context.Background(), func(tx *Tx) (err error) {
		rec, err = decode[blobRecord](tx.get(bucketBlobs, d[:]))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open original %s: %w", d, err)
	}
	return newBlobReader(&chunkReader{s: s, rec: rec})
}

// chunkReader reads the chunks of a blob one after the other.
type chunkReader struct {
	s    *Store
	rec  blobRecord
	next int
	read int64  // bytes of the chunks so far
	buf  []byte // of the present chunk
	rest []byte // part of buf
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next >= r.rec.Chunks {
			return 0, io.EOF
		}
		err := r.s.View(context.Background(), func(tx *Tx) error {
			v := tx.get(bucketChunks, chunkKey(r.rec.ID, r.next))
			if v == nil {
				return ErrNotFound
			}
			r.buf = append(r.buf[:0], v...)
			return nil
		})
		if err == nil && len(r.buf) == 0 {
			err = errValue
		}
		if err != nil {
			return 0, fmt.Errorf("chunk %d of %d of original: %w", r.next, r.rec.Chunks, err)
		}
		r.rest = r.buf
		r.read += int64(len(r.buf))
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// blobReader gives its decoder back on Close.
type blobReader struct{ dec *zstd.Decoder }

func newBlobReader(src io.Reader) (io.ReadCloser, error) {
	dec := decoders.Get().(*zstd.Decoder)
	if err := dec.Reset(src); err != nil {
		decoders.Put(dec)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read original: %w", err)
	}
	return &blobReader{dec: dec}, nil
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.dec == nil {
		return 0, fs.ErrClosed
	}
	return r.dec.Read(p)
}

// WriteTo lets io.Copy do without a buffer of its own.
func (r *blobReader) WriteTo(w io.Writer) (int64, error) {
	if r.dec == nil {
		return 0, fs.ErrClosed
	}
	return r.dec.WriteTo(w)
}

func (r *blobReader) Close() error {
	if r.dec == nil {
		return nil
	}
	_ = r.dec.Reset(nil)
	decoders.Put(r.dec)
	r.dec = nil
	return nil
}

package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"radicado/ticket"
)

// valueVersion is the first byte of every value written now.
const valueVersion = 1

// maxBody bounds a body's JSON when read back, against a damaged file.
const maxBody = 256 << 20

var errValue = errors.New("malformed value")

// encode writes v as a value.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte(valueVersion)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode reads a value. A nil value is one that is not there.
func decode[T any](b []byte) (T, error) {
	var v T
	if b == nil {
		return v, ErrNotFound
	}
	if len(b) == 0 || b[0] != valueVersion {
		return v, errValue
	}
	if err := json.Unmarshal(b[1:], &v); err != nil {
		var zero T
		return zero, fmt.Errorf("%w: %w", errValue, err)
	}
	return v, nil
}

// Encoders and decoders hold tables of a few hundred KiB: they are reused.
// With concurrency 1 they start no goroutine and need no Close to be freed.
var (
	encoders = sync.Pool{New: func() any {
		e, err := zstd.NewWriter(nil,
			zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(encoderLevel), zstd.WithWindowSize(encoderWindow),
			zstd.WithAllLitEntropyCompression(true), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		if err != nil {
			panic(err) // options are constants
		}
		return e
	}}
	decoders = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow),
			zstd.WithDecoderMaxMemory(maxBody))
		if err != nil {
			panic(err) // options are constants
		}
		return d
	}}
)

// Attachments in base64 hold no matches, only an alphabet of 64: they shrink to
// 0.76 where all literals are entropy-coded, and not at all otherwise. Higher
// levels gained nothing on such mails nor on HTML. A window of 1 MiB cost a
// quarter of the speed, as each block moves the window, and gained only where a
// mail holds the same attachment twice.
const (
	encoderLevel  = zstd.SpeedFastest
	encoderWindow = 256 << 10
	maxWindow     = 8 << 20 // accepted when reading, so that the window can grow later
)

func encodeBody(body *ticket.Body) ([]byte, error) {
	v, err := encode(body)
	if err != nil {
		return nil, err
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	return e.EncodeAll(v[1:], []byte{valueVersion}), nil
}

func decodeBody(b []byte) (ticket.Body, error) {
	if b == nil {
		return ticket.Body{}, ErrNotFound
	}
	if len(b) == 0 || b[0] != valueVersion {
		return ticket.Body{}, errValue
	}
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	raw, err := d.DecodeAll(b[1:], nil)
	if err != nil {
		return ticket.Body{}, fmt.Errorf("%w: %w", errValue, err)
	}
	var body ticket.Body
	if err := json.Unmarshal(raw, &body); err != nil {
		return ticket.Body{}, fmt.Errorf("%w: %w", errValue, err)
	}
	return body, nil
}

// messageRecord is a message as stored: its text taken out, its seqs put in.
type messageRecord struct {
	ticket.Message
	Seq   uint64   `json:"seq"`
	Filed []uint64 `json:"filed"` // seq of each filing
}

// storable makes a sender's claimed date one that JSON can hold: RFC 3339 knows
// years 0 to 9999 and offsets under a day, a hostile mail knows others.
func storable(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	if _, err := t.MarshalJSON(); err == nil {
		return t
	}
	u := t.UTC()
	if _, err := u.MarshalJSON(); err != nil {
		return nil
	}
	return &u
}

package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"radicado/ticket"
)

// bucket is the name of a bucket; see the package comment for their contents.
type bucket string

const (
	bucketMeta     bucket = "meta"
	bucketYears    bucket = "years"
	bucketTickets  bucket = "tickets"
	bucketEvents   bucket = "events"
	bucketMessages bucket = "messages"
	bucketBodies   bucket = "bodies"
	bucketLedger   bucket = "ledger"
	bucketCursors  bucket = "cursors"
	bucketBlobs    bucket = "blobs"
	bucketChunks   bucket = "chunks"
	bucketPending  bucket = "pending"

	indexQueue       bucket = "ix.queue"
	indexDue         bucket = "ix.due"
	indexMailbox     bucket = "ix.mailbox"
	indexType        bucket = "ix.type"
	indexStatus      bucket = "ix.status"
	indexPriority    bucket = "ix.priority"
	indexAssignee    bucket = "ix.assignee"
	indexReview      bucket = "ix.review"
	indexQuarantined bucket = "ix.quarantined"
	indexText        bucket = "ix.text"
	indexThread      bucket = "ix.thread"
	indexUnfiled     bucket = "ix.unfiled"
	indexMessageID   bucket = "ix.messageid"
	indexContent     bucket = "ix.content"
	bucketCounters   bucket = "counters"
)

// recordBuckets hold the truth.
func recordBuckets() []bucket {
	return []bucket{
		bucketMeta, bucketYears, bucketTickets, bucketEvents, bucketMessages, bucketBodies, bucketLedger, bucketCursors,
		bucketBlobs, bucketChunks, bucketPending,
	}
}

// derivedBuckets are rebuilt from the records.
func derivedBuckets() []bucket { return append(indexBuckets(), bucketCounters) }

func indexBuckets() []bucket {
	return []bucket{
		indexQueue, indexDue, indexMailbox, indexType, indexStatus, indexPriority, indexAssignee, indexReview,
		indexQuarantined, indexText, indexThread, indexUnfiled, indexMessageID, indexContent,
	}
}

// Lengths in bytes of fixed parts of keys.
const (
	numberLen = 6
	timeLen   = 12
	orderLen  = 2 + timeLen + numberLen
	seqLen    = 8

	chunkKeyLen = seqLen + 4
)

// maxName bounds a string inside a key: bbolt takes keys up to 32,768 bytes,
// and escaping at most doubles.
const maxName = 8 << 10

var errKey = errors.New("malformed key")

func appendNumber(b []byte, n ticket.Number) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(n.Year))
	return binary.BigEndian.AppendUint32(b, n.Seq)
}

func numberKey(n ticket.Number) []byte { return appendNumber(make([]byte, 0, numberLen), n) }

func parseNumberKey(b []byte) (ticket.Number, error) {
	if len(b) != numberLen {
		return ticket.Number{}, errKey
	}
	n := ticket.Number{Year: int(binary.BigEndian.Uint16(b)), Seq: binary.BigEndian.Uint32(b[2:])}
	if !validNumber(n) {
		return ticket.Number{}, errKey
	}
	return n, nil
}

func validNumber(n ticket.Number) bool { return n.Year >= 1 && n.Year <= 9999 && n.Seq >= 1 }

func yearKey(year int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(year)) }

func appendTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^(1<<63))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// appendString appends s so that keys order as strings do and no string's key
// is a prefix of another's.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xFF)
		}
	}
	return append(b, 0, 1)
}

// cutString reads what appendString wrote and returns the rest.
func cutString(b []byte) (s string, rest []byte, err error) {
	var out []byte
	for i := 0; i < len(b); i++ {
		if b[i] != 0 {
			out = append(out, b[i])
			continue
		}
		if i+1 == len(b) {
			break
		}
		i++
		switch b[i] {
		case 1:
			return string(out), b[i+1:], nil
		case 0xFF:
			out = append(out, 0)
		default:
			return "", nil, errKey
		}
	}
	return "", nil, errKey
}

// checkName refuses a string too long for a key.
func checkName(what, s string) error {
	if len(s) > maxName {
		return fmt.Errorf("%s of %d bytes: at most %d", what, len(s), maxName)
	}
	return nil
}

// appendOrder appends a ticket's place in the queue.
func appendOrder(b []byte, t *ticket.Ticket) []byte {
	b = append(b, closedByte(t.Status), priorityByte(t.Priority))
	b = appendTime(b, t.Due)
	return appendNumber(b, t.Number)
}

func closedByte(s ticket.Status) byte {
	if s.Open() {
		return 0
	}
	return 1
}

func priorityByte(p ticket.Priority) byte { return byte(min(max(p, 0), 255)) }

func eventKey(n ticket.Number, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(numberKey(n), seq)
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func messageIDKey(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}

// Kinds of ledger keys.
const (
	ledgerServer byte = 1
	ledgerFile   byte = 2
)

func ledgerKey(o ticket.Origin) ([]byte, error) {
	if err := errors.Join(checkName("mailbox", o.Mailbox), checkName("folder", o.Folder), checkName("path", o.Path)); err != nil {
		return nil, err
	}
	if !o.FromServer() {
		if o.Path == "" {
			return nil, errors.New("origin has neither uid nor path")
		}
		return appendString(appendString([]byte{ledgerFile}, o.Mailbox), o.Path), nil
	}
	b := appendString(appendString([]byte{ledgerServer}, o.Mailbox), o.Folder)
	b = binary.BigEndian.AppendUint32(b, o.UIDValidity)
	return binary.BigEndian.AppendUint32(b, uint32(o.UID)), nil
}

func parseLedgerKey(b []byte) (ticket.Origin, error) {
	if len(b) == 0 {
		return ticket.Origin{}, errKey
	}
	mailbox, rest, err := cutString(b[1:])
	if err != nil {
		return ticket.Origin{}, err
	}
	name, rest, err := cutString(rest)
	if err != nil {
		return ticket.Origin{}, err
	}
	switch {
	case b[0] == ledgerServer && len(rest) == 8:
		return ticket.Origin{
			Mailbox: mailbox, Folder: name, UIDValidity: binary.BigEndian.Uint32(rest), UID: ticket.UID(binary.BigEndian.Uint32(rest[4:])),
		}, nil
	case b[0] == ledgerFile && len(rest) == 0:
		return ticket.Origin{Mailbox: mailbox, Path: name}, nil
	}
	return ticket.Origin{}, errKey
}

func cursorKey(mailbox, folder string) ([]byte, error) {
	if err := errors.Join(checkName("mailbox", mailbox), checkName("folder", folder)); err != nil {
		return nil, err
	}
	return appendString(appendString(nil, mailbox), folder), nil
}

func chunkKey(id uint64, index int) []byte {
	return binary.BigEndian.AppendUint32(seqKey(id), uint32(index))
}

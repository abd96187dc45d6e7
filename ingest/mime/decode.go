package mime

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"
)

// decoder is a lenient transfer decoding. The standard readers stop at the
// first illegal byte and lose the rest of the attachment.
type decoder struct {
	src *bufio.Reader
	out []byte
	off int
	err error

	quoted bool // quoted-printable, else base64

	quantum  [4]byte // base64 characters not yet decoded
	have     int
	padded   bool // padding was seen
	illegal  bool // characters outside of the encoding were skipped
	cut      bool // the body ended inside of a unit
	newline  bool // the last quoted-printable line had an end
	pendingQ []byte
}

// transferDecoder returns a reader of the decoded body. d is nil for the
// identity encodings; unknown is true for one that nobody knows, whose bytes
// are handed on as they are.
func transferDecoder(encoding string, r io.Reader) (out io.Reader, d *decoder, unknown bool) {
	encoding = strings.ToLower(encoding)
	if i := strings.IndexAny(encoding, " \t;("); i >= 0 {
		encoding = encoding[:i]
	}
	switch strings.Trim(encoding, `"'`) {
	case "base64", "base-64", "b":
		d = &decoder{src: bufio.NewReader(r)}
		return d, d, false
	case "quoted-printable", "quotedprintable", "q":
		d = &decoder{src: bufio.NewReader(r), quoted: true}
		return d, d, false
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "none":
		return r, nil, false
	}
	return r, nil, true
}

// decodedChunk is how much is decoded ahead: reading line by line would hand
// 57 bytes at a time to hashes and writers.
const decodedChunk = 16 << 10

func (d *decoder) Read(p []byte) (int, error) {
	if d.off == len(d.out) {
		if d.err != nil {
			return 0, d.err
		}
		d.out, d.off = d.out[:0], 0
		d.fill()
		if len(d.out) == 0 {
			return 0, d.err
		}
	}
	n := copy(p, d.out[d.off:])
	d.off += n
	return n, nil
}

// fill decodes lines until there is enough, or the source ends.
func (d *decoder) fill() {
	for d.err == nil && len(d.out) < decodedChunk {
		if !d.quoted && d.plainBase64() {
			continue
		}
		line, err := d.src.ReadSlice('\n')
		if d.quoted {
			d.quotedLine(line, err)
		} else {
			d.base64Line(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			d.err = err
			if d.quoted {
				d.endQuoted()
			} else {
				d.endBase64()
			}
		}
	}
}

// plainBase64 decodes the buffered lines without padding in one piece and tells
// whether there were any.
func (d *decoder) plainBase64() bool {
	if d.padded {
		return false
	}
	b := buffered(d.src)
	if i := bytes.IndexByte(b, '='); i >= 0 {
		b = b[:i]
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	if len(b) == 0 {
		return false
	}
	d.base64Chars(b)
	_, _ = d.src.Discard(len(b))
	return true
}

func (d *decoder) base64Line(line []byte) {
	if d.padded {
		// Behind the padding come either more chunks, each padded, or text that
		// a relay has added, which is no part of the content.
		t := bytes.TrimSpace(line)
		if len(t)%4 != 0 || bytes.ContainsFunc(bytes.TrimRight(t, "="), func(r rune) bool { return r > 127 || !base64Char(byte(r)) }) {
			d.illegal = d.illegal || len(t) > 0
			return
		}
	}
	d.base64Chars(line)
}

func (d *decoder) base64Chars(b []byte) {
	for len(b) > 0 {
		if d.have == 0 {
			if b = b[d.wholeQuanta(b):]; len(b) == 0 {
				return
			}
		}
		c := b[0]
		b = b[1:]
		switch {
		case base64Char(c):
			d.padded = false
			d.quantum[d.have] = c
			d.have++
			if d.have == 4 {
				d.flush64()
			}
		case c == '=':
			if d.have > 0 {
				if d.have == 1 {
					d.illegal = true
				}
				d.flush64()
			}
			d.padded = true
		case c == '\r' || c == '\n' || c == ' ' || c == '\t':
		default:
			d.illegal = true
		}
	}
}

// sextet maps a base64 character to its six bits, and every other byte to
// notSextet (RFC 4648 section 4).
var sextet = func() (t [256]byte) {
	for i := range t {
		t[i] = notSextet
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	return t
}()

const notSextet = 0x80

// wholeQuanta decodes groups of four sound characters from the beginning of a
// line and returns how many bytes it took: all of an ordinary line but its end.
func (d *decoder) wholeQuanta(line []byte) int {
	i := 0
	out := slices.Grow(d.out, len(line)/4*3)
	for ; i+4 <= len(line); i += 4 {
		q := line[i : i+4 : i+4]
		a, b, c, e := sextet[q[0]], sextet[q[1]], sextet[q[2]], sextet[q[3]]
		if (a|b|c|e)&notSextet != 0 {
			break
		}
		out = append(out, a<<2|b>>4, b<<4|c>>2, c<<6|e)
	}
	d.out = out
	if i > 0 {
		d.padded = false
	}
	return i
}

func (d *decoder) flush64() {
	var buf [3]byte
	n, _ := base64.RawStdEncoding.Decode(buf[:], d.quantum[:d.have])
	d.out = append(d.out, buf[:n]...)
	d.have = 0
}

func (d *decoder) endBase64() {
	if d.have > 0 {
		d.cut = !d.illegal
		if d.have == 1 {
			d.have = 0
			return
		}
		d.flush64()
	}
}

// quotedLine decodes a line, or a piece of a very long one.
func (d *decoder) quotedLine(line []byte, err error) {
	if len(d.pendingQ) > 0 {
		line = append(d.pendingQ, line...)
		d.pendingQ = nil
	}
	content, end := line, []byte(nil)
	d.newline = err == nil
	if err == nil {
		content = bytes.TrimRight(line, "\r\n")
		end = line[len(content):]
		// Blanks at the end of a line were added on the way (RFC 2045 section 6.7).
		content = bytes.TrimRight(content, " \t")
		if bytes.HasSuffix(content, []byte("=")) {
			content = content[:len(content)-1]
			end = nil
		}
	} else if i := bytes.LastIndexByte(content, '='); i >= 0 && i >= len(content)-2 {
		d.pendingQ = append([]byte(nil), content[i:]...)
		content = content[:i]
	}
	for i := 0; i < len(content); i++ {
		c := content[i]
		if c != '=' {
			d.out = append(d.out, c)
			continue
		}
		if i+2 < len(content) && isHex(content[i+1]) && isHex(content[i+2]) {
			d.out = append(d.out, unhex(content[i+1])<<4|unhex(content[i+2]))
			i += 2
			continue
		}
		d.illegal = true
		d.out = append(d.out, c)
	}
	d.out = append(d.out, end...)
}

func (d *decoder) endQuoted() {
	switch {
	case len(d.pendingQ) == 0:
	case len(d.pendingQ) == 1:
		d.cut = true // or a soft line break whose line end belongs to a boundary
	case isHex(d.pendingQ[1]):
		d.cut = true
	default:
		d.out = append(d.out, d.pendingQ...)
	}
}

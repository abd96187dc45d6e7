package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// mboxBuffer is how much of an mbox is in memory at once. A line may be longer.
const mboxBuffer = 64 << 10

var fromLine = []byte("From ")

// member is where one mail lies in an mbox. The members of a file follow each
// other without a gap: each begins where the one before ends.
type member struct {
	begin  int64 // of its "From " line
	text   int64 // of what follows that line
	end    int64 // of the text, without the empty line that separates mails
	next   int64 // of the next member, or the end of the file
	quoted int64 // lines that begin with ">From ", so that one byte each is dropped
}

// size is how many bytes the member has once unquoted.
func (m member) size() int64 { return m.end - m.text - m.quoted }

// startsMbox reports whether r begins as an mbox does.
func startsMbox(r io.ReaderAt) (bool, error) {
	head := make([]byte, len(fromLine))
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	return bytes.Equal(head[:n], fromLine), nil
}

// mbox visits the members of an mbox. open gives what their offsets refer to.
func (w *walker) mbox(ctx context.Context, path string, r io.Reader, open func() (io.ReaderAt, io.Closer, error)) error {
	s := newSplitter(&contextReader{ctx: ctx, r: r})
	for n := 1; ; n++ {
		m, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.fail(newError(path, err))
			return nil
		}
		name := fmt.Sprintf("%s#%d", path, n)
		err = w.visit(File{Path: name, Size: m.size(), Open: func() (io.ReadCloser, error) {
			at, c, err := open()
			if err != nil {
				return nil, newError(name, err)
			}
			return &reader{path: name, r: newUnquoter(io.NewSectionReader(at, m.text, m.end-m.text)), c: c}, nil
		}})
		if err != nil {
			return err
		}
	}
}

// splitter finds the members of an mbox in one pass. A member begins with a
// line "From " at the start of the file or after an empty line (mboxrd and
// mboxo, see RFC 4155 appendix A).
type splitter struct {
	br     *bufio.Reader
	offset int64 // of what br gives next
	begin  int64 // of the "From " line read last, -1 before the first
	text   int64
	err    error
}

func newSplitter(r io.Reader) *splitter {
	return &splitter{br: bufio.NewReaderSize(r, mboxBuffer), begin: -1}
}

// next returns the next member or io.EOF.
func (s *splitter) next() (member, error) {
	if s.err != nil {
		return member{}, s.err
	}
	if s.begin < 0 {
		if err := s.firstLine(); err != nil {
			s.err = err
			return member{}, err
		}
	}
	m := member{begin: s.begin, text: s.text}
	empty := int64(-1) // offset of the line before, if that is empty
	for {
		at := s.offset
		line, whole, err := s.line()
		if len(line) > 0 && empty >= 0 && bytes.HasPrefix(line, fromLine) {
			m.end, m.next = empty, at
			s.begin = at
			if !whole {
				err = s.skipLine()
			}
			s.text = s.offset
			if err != nil && err != io.EOF {
				s.err = err
			}
			return m, nil
		}
		if err == nil || err == io.EOF {
			if isQuoted(line) {
				m.quoted++
			}
			if !whole && err == nil {
				err = s.skipLine()
			}
		}
		if err != nil {
			s.err = err
			if err != io.EOF {
				return member{}, err
			}
			m.end, m.next = s.offset, s.offset
			if empty >= 0 && len(line) == 0 {
				m.end = empty
			}
			return m, nil
		}
		empty = -1
		if isEmpty(line) {
			empty = at
		}
	}
}

// firstLine reads the "From " line that opens the file.
func (s *splitter) firstLine() error {
	line, whole, err := s.line()
	if len(line) == 0 {
		return cmpErr(err, io.EOF)
	}
	if !bytes.HasPrefix(line, fromLine) {
		return errors.New(`not an mbox: it does not begin with "From "`)
	}
	if !whole && err == nil {
		err = s.skipLine()
	}
	if err != nil && err != io.EOF {
		return err
	}
	s.begin, s.text = 0, s.offset
	return nil
}

// line returns a line with its end, or as much of it as the buffer holds; it is
// valid until the next read. At the end of the file the rest comes with io.EOF.
func (s *splitter) line() (line []byte, whole bool, err error) {
	line, err = s.br.ReadSlice('\n')
	s.offset += int64(len(line))
	if err == bufio.ErrBufferFull {
		return line, false, nil
	}
	return line, true, err
}

// skipLine reads to the end of a line that the buffer could not hold.
func (s *splitter) skipLine() error {
	for {
		_, whole, err := s.line()
		if err != nil || whole {
			return err
		}
	}
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func isEmpty(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// isQuoted reports whether the line is one or more ">" and then "From ". More
// of them than the buffer holds are not a quotation.
func isQuoted(line []byte) bool {
	if len(line) == 0 || line[0] != '>' {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(line, ">"), fromLine)
}

// unquoter drops one ">" from each line that is quoted.
type unquoter struct {
	br    *bufio.Reader
	line  []byte // not yet given out, in br's buffer
	start bool   // br is at the start of a line
	err   error
}

func newUnquoter(r io.Reader) *unquoter {
	return &unquoter{br: bufio.NewReaderSize(r, mboxBuffer), start: true}
}

func (u *unquoter) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(u.line) == 0 {
			if u.err != nil {
				break
			}
			u.fill()
			continue
		}
		k := copy(p[n:], u.line)
		u.line = u.line[k:]
		n += k
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, u.err
}

func (u *unquoter) fill() {
	line, err := u.br.ReadSlice('\n')
	if u.start && isQuoted(line) {
		line = line[1:]
	}
	u.start = err == nil
	if err == bufio.ErrBufferFull {
		err = nil
	}
	u.line, u.err = line, err
}

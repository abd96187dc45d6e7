// Package files is the source of mails that lie in files: single messages
// (.eml), directories of them, Maildirs, mboxes and standard input. Nothing is
// read whole into memory, nothing is written, and the order is the same each
// time, so that replaying a folder twice gives the same tickets.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// Options change how inputs are read. The zero value is ready for use.
type Options struct {
	// Stdin is read for the path "-"; nil means os.Stdin.
	Stdin io.Reader
	// TempDir holds the copy of standard input; "" means os.TempDir().
	TempDir string
}

// File is one mail in a file.
type File struct {
	// Path names the mail: the file, with "#n" for the n-th mail of an mbox,
	// counted from 1; "-" or "-#n" on standard input.
	Path string
	// Size is exactly how many bytes Open yields, as long as nobody changes the
	// file.
	Size int64
	// Open begins to read the mail; it may be called more than once. Its errors,
	// and those of the reader, are of type *Error.
	Open func() (io.ReadCloser, error)
}

// Files is a list of inputs. It is not safe for use by several goroutines; the
// File values it gives out are independent of each other.
type Files struct {
	paths   []string
	options Options

	spoolOnce sync.Once
	spool     *os.File // standard input, unlinked
	spoolErr  error
}

// Open lists inputs; nothing is touched before Each or Count. The kind of each
// path is found out then: a directory with new/ and cur/ is a Maildir, any
// other one is walked for *.eml and for nested Maildirs; a file that begins
// with "From " is an mbox unless its name ends in .eml; any other file is one
// mail. "-" is standard input, one mail or an mbox.
func Open(paths []string, o Options) *Files {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	return &Files{paths: paths, options: o}
}

// Close gives back the copy of standard input, if one was made. Mails from
// standard input cannot be opened after it.
func (f *Files) Close() error {
	f.spoolOnce.Do(func() { f.spoolErr = os.ErrClosed })
	if f.spool == nil {
		return nil
	}
	return f.spool.Close()
}

// Error is an input, or a mail, that could not be read.
type Error struct {
	Path string
	Err  error
}

// Error returns the path and what is wrong with it.
func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Errors lists the inputs that could not be read, in their order.
type Errors []*Error

// Error names the first input and how many there are.
func (l Errors) Error() string {
	switch len(l) {
	case 0:
		return "no errors"
	case 1:
		return l[0].Error()
	}
	return fmt.Sprintf("%v (and %d more inputs could not be read)", l[0], len(l)-1)
}

// Unwrap returns the single errors.
func (l Errors) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}

// Each calls fn for every mail, in a stable order: paths as given, directories
// by name, Maildirs by time of delivery, mboxes from their beginning. What
// cannot be read is collected, and so is an error of fn that is or wraps an
// *Error, and the rest goes on; all of them are returned as Errors at the end.
// Any other error of fn, or the end of ctx, stops Each and is returned as it is.
func (f *Files) Each(ctx context.Context, fn func(ctx context.Context, m File) error) error {
	var failed Errors
	w := &walker{files: f, fail: func(e *Error) { failed = append(failed, e) }}
	w.visit = func(m File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := fn(ctx, m)
		if e := (*Error)(nil); errors.As(err, &e) {
			failed = append(failed, e)
			return nil
		}
		return err
	}
	if err := w.all(ctx); err != nil {
		return err
	}
	if len(failed) > 0 {
		return failed
	}
	return nil
}

// Count returns how many mails Each will meet and their size in bytes. It opens
// no single mail, but reads every mbox through once. What cannot be read counts
// for nothing here: Each reports it.
func (f *Files) Count(ctx context.Context) (n int, bytes int64, err error) {
	w := &walker{files: f, fail: func(*Error) {}}
	w.visit = func(m File) error {
		n++
		bytes += m.Size
		return ctx.Err()
	}
	err = w.all(ctx)
	return n, bytes, err
}

// walker goes through all inputs once.
type walker struct {
	files *Files
	visit func(File) error // an error stops the walk
	fail  func(*Error)
}

func (w *walker) all(ctx context.Context) error {
	for _, path := range w.files.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.path(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) path(ctx context.Context, path string) error {
	if path == Stdin {
		return w.stdin(ctx)
	}
	info, err := os.Stat(path)
	if err != nil {
		w.fail(newError(path, err))
		return nil
	}
	if info.IsDir() {
		return w.directory(ctx, path)
	}
	open := func() (*os.File, error) { return openRegular(path) }
	file, err := open()
	if err != nil {
		w.fail(newError(path, err))
		return nil
	}
	defer file.Close()
	isMbox, err := startsMbox(file)
	if err != nil {
		w.fail(newError(path, err))
		return nil
	}
	if isMbox && !isEML(path) {
		return w.mbox(ctx, path, file, func() (io.ReaderAt, io.Closer, error) {
			f, err := open()
			return f, f, err
		})
	}
	if info, err = file.Stat(); err != nil { // of the file that was opened
		w.fail(newError(path, err))
		return nil
	}
	return w.visit(single(path, info.Size(), open))
}

// single is a file that holds one mail.
func single(path string, size int64, open func() (*os.File, error)) File {
	return File{Path: path, Size: size, Open: func() (io.ReadCloser, error) {
		f, err := open()
		if err != nil {
			return nil, newError(path, err)
		}
		return &reader{path: path, r: f, c: f}, nil
	}}
}

// reader names its file in errors.
type reader struct {
	path string
	r    io.Reader
	c    io.Closer
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		err = newError(r.path, err)
	}
	return n, err
}

func (r *reader) Close() error { return r.c.Close() }

// newError drops the path that the os package repeats.
func newError(path string, err error) *Error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	return &Error{Path: path, Err: err}
}

func isEML(path string) bool { return strings.EqualFold(filepath.Ext(path), ".eml") }

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// errSpecial refuses what would block or never end when read.
var errSpecial = errors.New("not a regular file")

// openRegular opens a regular file. O_NONBLOCK keeps a FIFO that took the
// file's place from blocking the open.
func openRegular(path string) (*os.File, error) {
	return regular(os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// openInside opens a regular file in dir; a link that leads out of dir fails.
func openInside(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return regular(root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

func regular(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w (%s)", errSpecial, kindOf(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "fifo"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	case m.IsDir():
		return "directory"
	}
	return m.Type().String()
}

// stdin copies standard input to an unlinked file first: the mails of an mbox
// can then be opened by offset, and counting does not use the input up.
func (w *walker) stdin(ctx context.Context) error {
	f := w.files
	f.spoolOnce.Do(func() { f.spool, f.spoolErr = spool(ctx, f.options) })
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.spoolErr != nil {
		w.fail(newError(Stdin, f.spoolErr))
		return nil
	}
	info, err := f.spool.Stat()
	if err != nil {
		w.fail(newError(Stdin, err))
		return nil
	}
	size := info.Size()
	isMbox, err := startsMbox(f.spool)
	if err != nil {
		w.fail(newError(Stdin, err))
		return nil
	}
	if isMbox {
		return w.mbox(ctx, Stdin, io.NewSectionReader(f.spool, 0, size), func() (io.ReaderAt, io.Closer, error) {
			return f.spool, io.NopCloser(nil), nil
		})
	}
	return w.visit(File{Path: Stdin, Size: size, Open: func() (io.ReadCloser, error) {
		return &reader{path: Stdin, r: io.NewSectionReader(f.spool, 0, size), c: io.NopCloser(nil)}, nil
	}})
}

func spool(ctx context.Context, o Options) (*os.File, error) {
	f, err := os.CreateTemp(o.TempDir, "radicado-stdin-*")
	if err != nil {
		return nil, fmt.Errorf("keep standard input: %w", err)
	}
	os.Remove(f.Name()) // where that fails the file stays behind, which harms nothing
	if _, err := io.Copy(f, &contextReader{ctx: ctx, r: o.Stdin}); err != nil {
		f.Close()
		return nil, fmt.Errorf("keep standard input: %w", err)
	}
	return f, nil
}

// contextReader ends with its context, between two reads.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

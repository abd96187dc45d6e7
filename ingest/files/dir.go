package files

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// directory reads a Maildir, or walks dir for *.eml and nested Maildirs, by
// name. Links to directories are not entered; a link to a file is followed if
// it stays within dir.
func (w *walker) directory(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		w.fail(newError(dir, err))
		return nil
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err != nil {
			w.fail(newError(full, err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if !isMaildir(root, name) {
				return nil
			}
			if err := w.maildir(root, dir, name); err != nil {
				return err
			}
			if name == "." {
				return fs.SkipAll
			}
			return fs.SkipDir
		}
		if !isEML(name) {
			return nil
		}
		return w.inside(root, dir, name)
	})
}

// inside visits one file of a directory.
func (w *walker) inside(root *os.Root, dir, name string) error {
	full := filepath.Join(dir, filepath.FromSlash(name))
	info, err := root.Stat(filepath.FromSlash(name))
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open " + kindOf(info.Mode()), Path: full, Err: errSpecial}
	}
	if err != nil {
		w.fail(newError(full, err))
		return nil
	}
	return w.visit(single(full, info.Size(), func() (*os.File, error) { return openInside(dir, filepath.FromSlash(name)) }))
}

func isMaildir(root *os.Root, name string) bool {
	for _, sub := range []string{"cur", "new"} {
		info, err := root.Lstat(filepath.FromSlash(path.Join(name, sub)))
		if err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

func isHidden(name string) bool { return strings.HasPrefix(name, ".") }

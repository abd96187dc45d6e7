package files

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maildir visits the mails in new/ and cur/ of a Maildir in the order of their
// delivery, which is what threading wants; tmp/ holds mails not yet delivered,
// and subfolders (".Sent") are other mailboxes. See
// https://cr.yp.to/proto/maildir.html for the names.
func (w *walker) maildir(root *os.Root, dir, name string) error {
	type entry struct {
		name      string // below root
		delivered int64  // seconds since 1970, 0 if the name does not tell
	}
	var entries []entry
	for _, sub := range []string{"new", "cur"} {
		folder := path.Join(name, sub)
		list, err := fs.ReadDir(root.FS(), folder)
		if err != nil {
			w.fail(newError(filepath.Join(dir, filepath.FromSlash(folder)), err))
		}
		for _, d := range list {
			if d.IsDir() || isHidden(d.Name()) {
				continue
			}
			entries = append(entries, entry{name: path.Join(folder, d.Name()), delivered: delivered(d.Name())})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(
			cmp.Compare(a.delivered, b.delivered),
			strings.Compare(path.Base(a.name), path.Base(b.name)),
			strings.Compare(a.name, b.name),
		)
	})
	for _, e := range entries {
		if err := w.inside(root, dir, e.name); err != nil {
			return err
		}
	}
	return nil
}

// delivered reads the time that a Maildir name begins with.
func delivered(name string) int64 {
	seconds, _, _ := strings.Cut(name, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

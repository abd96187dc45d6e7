package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mailsIn lists the files of the mails in a Maildir, marked or not.
func mailsIn(t *testing.T, maildir string) (files []string) {
	t.Helper()
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(maildir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files = append(files, filepath.Join(maildir, sub, e.Name()))
		}
	}
	return files
}

// seenIn lists those of them that are marked as seen.
func seenIn(t *testing.T, maildir string) (files []string) {
	t.Helper()
	for _, f := range mailsIn(t, maildir) {
		if _, flags, _ := strings.Cut(f, ":2,"); strings.Contains(flags, "S") {
			files = append(files, f)
		}
	}
	return files
}

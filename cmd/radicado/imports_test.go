package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the table of docs/architecture.md: which packages of ours each
// package may import, and why no others.
var mayImport = map[string]struct {
	packages []string
	reason   string
}{
	"ticket":                  {nil, "the domain's words are everybody's, so they depend on nobody"},
	"calendar":                {[]string{"ticket"}, "reckoning days needs no storage"},
	"classify":                {[]string{"ticket"}, "a decision is a function of the mail alone"},
	"store":                   {[]string{"ticket"}, "the store keeps what it is given and decides nothing"},
	"store/storetest":         {[]string{"ticket", "store"}, "the suite that a store passes"},
	"ingest/mime":             {[]string{"ticket"}, "parsing is a function of the bytes"},
	"ingest":                  {[]string{"ticket", "ingest/mime", "classify", "calendar", "store"}, "the pipeline joins the steps; sources come to it, not it to them"},
	"ingest/imap":             {[]string{"ticket", "ingest"}, "a source knows the seam, not the store"},
	"ingest/imap/oauth":       {nil, "where tokens come from has nothing to do with mail"},
	"ingest/imap/oauthtest":   {nil, "an authority for tests"},
	"ingest/imap/imaptest":    {nil, "a server for tests and the demo"},
	"ingest/imap/servertest":  {nil, "what the real servers for tests have in common"},
	"ingest/imap/dovecottest": {[]string{"ingest/imap/servertest"}, "a real server for tests"},
	"ingest/imap/cyrustest":   {[]string{"ingest/imap/servertest"}, "another one"},
	"ingest/files":            {[]string{"ticket", "ingest"}, "a source knows the seam, not the store"},
	"web":                     {[]string{"ticket", "store", "classify"}, "pages read the store; they take no mail"},
	"testdata/mailgen":        {nil, "mails for benchmarks"},
	"testdata":                {nil, "sample mails for the demo"},
	"cmd/radicado":            {[]string{"*"}, "wiring"},
}

// TestImports holds the directions of the packages; test files are free.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		rule, ok := mayImport[pkg]
		if !ok {
			t.Errorf("package %s is in no row of the import table", pkg)
			return nil
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			of, ours := strings.CutPrefix(name, "radicado/")
			if ours && !slices.Contains(rule.packages, of) && !slices.Contains(rule.packages, "*") {
				t.Errorf("%s imports %s: %s", filepath.ToSlash(path), name, rule.reason)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"radicado/ingest/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree writes files; a name ending in / is a directory.
func tree(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type found struct{ Path, Text string }

// list reads all mails of the inputs, with paths relative to dir, and checks
// that Size and Count tell the truth and that a mail can be opened again.
func list(t *testing.T, dir string, f *files.Files) ([]found, error) {
	t.Helper()
	t.Cleanup(func() { f.Close() })
	n, size, err := f.Count(context.Background())
	if err != nil {
		t.Fatalf("Count: %v", err)
	}
	var got []found
	var total int64
	err = f.Each(context.Background(), func(ctx context.Context, m files.File) error {
		text := read(t, m)
		if again := read(t, m); again != text {
			t.Errorf("%s reads differently when opened again", m.Path)
		}
		if int64(len(text)) != m.Size {
			t.Errorf("%s: %d bytes, Size says %d", m.Path, len(text), m.Size)
		}
		total += m.Size
		path, err := filepath.Rel(dir, m.Path)
		if err != nil {
			path = m.Path
		}
		got = append(got, found{filepath.ToSlash(path), text})
		return nil
	})
	if n != len(got) || size != total {
		t.Errorf("Count says %d mails of %d bytes, Each met %d of %d", n, size, len(got), total)
	}
	return got, err
}

func read(t *testing.T, m files.File) string {
	t.Helper()
	r, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKinds(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"b.eml":                           "b",
		"a.EML":                           "a",
		"c.txt":                           "not read",
		"one":                             "Subject: one\n\nx\n",
		"from.eml":                        "From x@y Mon\nSubject: one mail\n\nFrom here on\n\nFrom there\n",
		"sub/deep/d.eml":                  "d",
		"sub/md/new/1700000003.M1.h":      "n3",
		"sub/md/cur/1700000001.M1.h:2,S":  "c1",
		"sub/md/cur/1700000002.M1.h:2,RS": "c2",
		"sub/md/cur/sinfecha":             "c0",
		"sub/md/cur/.hidden":              "no",
		"sub/md/tmp/1700000000.M1.h":      "no",
		"sub/md/.Sent/cur/1.x":            "no",
		"sub/md/.Sent/new/":               "",
		"sub/md/extra.eml":                "no",
		"m.mbox":                          "From a Mon\nS: 1\n\n>From x\n\nFrom b Tue\nS: 2\n\n",
		"empty":                           "",
		"z/new/":                          "", // no cur, so no Maildir
		"z/new/e.eml":                     "e",
	})
	p := func(name string) string { return filepath.Join(dir, name) }
	for _, tt := range []struct {
		name  string
		paths []string
		want  []found
	}{
		{"directory", []string{dir}, []found{
			{"a.EML", "a"}, {"b.eml", "b"}, {"from.eml", "From x@y Mon\nSubject: one mail\n\nFrom here on\n\nFrom there\n"},
			{"sub/deep/d.eml", "d"},
			{"sub/md/cur/sinfecha", "c0"}, {"sub/md/cur/1700000001.M1.h:2,S", "c1"}, {"sub/md/cur/1700000002.M1.h:2,RS", "c2"}, {"sub/md/new/1700000003.M1.h", "n3"},
			{"z/new/e.eml", "e"},
		}},
		{"Maildir", []string{p("sub/md")}, []found{
			{"sub/md/cur/sinfecha", "c0"}, {"sub/md/cur/1700000001.M1.h:2,S", "c1"}, {"sub/md/cur/1700000002.M1.h:2,RS", "c2"}, {"sub/md/new/1700000003.M1.h", "n3"},
		}},
		{"mbox", []string{p("m.mbox")}, []found{{"m.mbox#1", "S: 1\n\nFrom x\n"}, {"m.mbox#2", "S: 2\n"}}},
		{"any name is a mail", []string{p("one"), p("c.txt"), p("empty")}, []found{{"one", "Subject: one\n\nx\n"}, {"c.txt", "not read"}, {"empty", ""}}},
		{"as given, also twice", []string{p("b.eml"), p("a.EML"), p("b.eml")}, []found{{"b.eml", "b"}, {"a.EML", "a"}, {"b.eml", "b"}}},
		{".eml with a From line", []string{p("from.eml")}, []found{{"from.eml", "From x@y Mon\nSubject: one mail\n\nFrom here on\n\nFrom there\n"}}},
		{"nothing", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := list(t, dir, files.Open(tt.paths, files.Options{}))
			if err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestStdin(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   string
		want []found
	}{
		"mail":  {"Subject: x\n\ny\n", []found{{"-", "Subject: x\n\ny\n"}}},
		"mbox":  {"From a\nS: 1\n\nFrom b\nS: 2\n", []found{{"-#1", "S: 1\n"}, {"-#2", "S: 2\n"}}},
		"empty": {"", []found{{"-", ""}}},
	} {
		dir := t.TempDir()
		got, err := list(t, "/nowhere", files.Open([]string{"-"}, files.Options{Stdin: strings.NewReader(tt.in), TempDir: dir}))
		if err != nil {
			t.Error(err)
		}
		for i := range got {
			got[i].Path = got[i].Path[strings.LastIndex(got[i].Path, "-"):]
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind %v, %v", name, left, err)
		}
	}
}

// What cannot be read is named, and the rest goes on.
func TestErrors(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"secret.eml": "secret", "d/x.eml": "x"})
	dir := tree(t, map[string]string{"a.eml": "a", "m/z.eml": "z", "dir.eml/inside.eml": "i"})
	for link, target := range map[string]string{
		"out.eml":    filepath.Join(outside, "secret.eml"),
		"outdir":     filepath.Join(outside, "d"),
		"up.eml":     filepath.Join("..", filepath.Base(outside), "secret.eml"),
		"broken.eml": "missing",
		"in.eml":     "a.eml",
		"loop":       ".",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"broken.eml", "out.eml", "up.eml", "missing.eml"}
	if runtime.GOOS == "linux" {
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe.eml"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		want = []string{"broken.eml", "out.eml", "pipe.eml", "up.eml", "missing.eml", "pipe"}
	}
	paths := []string{dir, filepath.Join(dir, "missing.eml")}
	if runtime.GOOS == "linux" {
		paths = append(paths, filepath.Join(dir, "pipe"), "/dev/null")
		want = append(want, "null")
	}
	paths = append(paths, filepath.Join(dir, "in.eml")) // a link named by the user is followed
	got, err := list(t, dir, files.Open(paths, files.Options{}))
	wantFound := []found{{"a.eml", "a"}, {"dir.eml/inside.eml", "i"}, {"in.eml", "a"}, {"m/z.eml", "z"}, {"in.eml", "a"}}
	if d := cmp.Diff(wantFound, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	var failed files.Errors
	if !errors.As(err, &failed) {
		t.Fatalf("error %v (%T), want files.Errors", err, err)
	}
	var names []string
	for _, e := range failed {
		names = append(names, filepath.Base(e.Path))
		if strings.Count(e.Error(), e.Path) != 1 {
			t.Errorf("the error should name the path once: %v", e)
		}
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("failed: -want +got\n%s", d)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v does not wrap that of the missing file", err)
	}
}

// A file that goes away between listing and reading is an input that could not
// be read; another error of the caller's stops.
func TestErrorsOfTheCaller(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.eml": "a", "b.eml": "b", "c.eml": "c"})
	var seen []string
	err := files.Open([]string{dir}, files.Options{}).Each(context.Background(), func(ctx context.Context, m files.File) error {
		if filepath.Base(m.Path) == "b.eml" {
			if err := os.Remove(m.Path); err != nil {
				t.Fatal(err)
			}
		}
		r, err := m.Open()
		if err != nil {
			return err
		}
		seen = append(seen, filepath.Base(m.Path))
		return r.Close()
	})
	var failed files.Errors
	if !errors.As(err, &failed) || len(failed) != 1 || filepath.Base(failed[0].Path) != "b.eml" {
		t.Errorf("error %v, want one about b.eml", err)
	}
	if !slices.Equal(seen, []string{"a.eml", "c.eml"}) {
		t.Errorf("read %v", seen)
	}

	stop := errors.New("stop")
	calls := 0
	err = files.Open([]string{dir}, files.Options{}).Each(context.Background(), func(context.Context, files.File) error {
		calls++
		return stop
	})
	if err != stop || calls != 1 {
		t.Errorf("%d calls, error %v; want 1 and %v", calls, err, stop)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.eml": "a", "b.eml": "b", "m": "From a\nx\n\nFrom b\ny\n"})
	for _, path := range []string{dir, filepath.Join(dir, "m")} {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		err := files.Open([]string{path}, files.Options{}).Each(ctx, func(context.Context, files.File) error {
			calls++
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || calls != 1 {
			t.Errorf("%s: %d calls, error %v", path, calls, err)
		}
	}
}

// An mbox is read in pieces, whatever its size and however long its lines.
func TestMboxMemory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "big")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	line := bytes.Repeat([]byte("x"), 1<<20)
	for range 64 {
		if _, err := f.WriteString("From a\nSubject: x\n\n"); err != nil {
			t.Fatal(err)
		}
		f.Write(line)
		f.WriteString("\n\n")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	err = files.Open([]string{path}, files.Options{}).Each(context.Background(), func(ctx context.Context, m files.File) error {
		n++
		r, err := m.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err
	})
	runtime.ReadMemStats(&after)
	if err != nil || n != 64 {
		t.Errorf("%d mails, %v", n, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes were allocated for an mbox of 64 MiB", used)
	}
}

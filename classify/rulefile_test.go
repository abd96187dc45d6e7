package classify

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestLoadErrors reads testdata/errors: what an operator is told about a
// faulty file.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(strings.NewReader(string(a.Files[0].Data)))
			if err == nil {
				t.Fatal("no error")
			}
			got := err.Error() + "\n"
			if *update {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(a.Files[1].Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestLoadTooLarge(t *testing.T) {
	t.Parallel()
	if _, err := Load(strings.NewReader(strings.Repeat("#", maxFile+1))); err == nil {
		t.Error("a file over the limit was read")
	}
}

// TestDefaultRules holds the embedded file to what the documentation promises.
func TestDefaultRules(t *testing.T) {
	t.Parallel()
	f, _, err := readFile(strings.NewReader(string(DefaultRules())))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Rules {
		if r.Note == "" {
			t.Errorf("rule %s has no note for the lead", r.Name)
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/errors/*.txtar")
	for _, path := range files {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data))
	}
	f.Add("[decision]\ntype_temperature=1.0\npriority_temperature=1.0\n[groups]\ng=['a','b c']\n[[rule]]\nname='r'\nany=['@g','(a|b c) ..2 #3+','^ en: x*','=y * $']\ntype={queja=1.0}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(strings.NewReader(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("classifier %v with error %v", c, err)
		}
		if err == nil {
			checkValid(t, sampleMail("Queja por el servicio", text), "soporte", c)
		}
	})
}

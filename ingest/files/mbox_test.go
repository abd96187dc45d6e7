package files

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// splitAll returns the members of an mbox and their texts.
func splitAll(t *testing.T, data []byte, r io.Reader) (members []member, texts []string) {
	t.Helper()
	s := newSplitter(r)
	for {
		m, err := s.next()
		if err == io.EOF {
			return members, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(newUnquoter(io.NewSectionReader(bytes.NewReader(data), m.text, m.end-m.text)))
		if err != nil {
			t.Fatal(err)
		}
		members, texts = append(members, m), append(texts, string(text))
	}
}

func TestMbox(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("y", 3*mboxBuffer)
	for name, tt := range map[string]struct {
		in   string
		want []string
	}{
		"one":                           {"From a Mon\nS: 1\n\nbody\n", []string{"S: 1\n\nbody\n"}},
		"two":                           {"From a\nS: 1\n\nb1\n\nFrom b\nS: 2\n\nb2\n\n", []string{"S: 1\n\nb1\n", "S: 2\n\nb2\n"}},
		"crlf":                          {"From a\r\nS: 1\r\n\r\nb1\r\n\r\nFrom b\r\nS: 2\r\n", []string{"S: 1\r\n\r\nb1\r\n", "S: 2\r\n"}},
		"From within a paragraph":       {"From a\nS: 1\n\nb\nFrom here\n", []string{"S: 1\n\nb\nFrom here\n"}},
		"from in small letters":         {"From a\n\nfrom b\n", []string{"\nfrom b\n"}},
		"Fromage":                       {"From a\n\nFromage\n", []string{"\nFromage\n"}},
		"quoted":                        {"From a\n\n>From b\n>>From c\n> From d\n>Fromage\nx >From\n", []string{"\nFrom b\n>From c\n> From d\n>Fromage\nx >From\n"}},
		"quoted after an empty line":    {"From a\nS: 1\n\n>From b\n", []string{"S: 1\n\nFrom b\n"}},
		"no mail between":               {"From a\n\nFrom b\n\nFrom c\n", []string{"", "", ""}},
		"only the line":                 {"From a", []string{""}},
		"only the word":                 {"From ", []string{""}},
		"no end of line":                {"From a\nS: 1\n\nb", []string{"S: 1\n\nb"}},
		"several empty lines":           {"From a\nb\n\n\n\nFrom c\nd\n", []string{"b\n\n\n", "d\n"}},
		"long line":                     {"From a\n\n" + long + "\n\nFrom b\nx\n", []string{"\n" + long + "\n", "x\n"}},
		"long From line":                {"From " + long + "\nx\n\nFrom " + long + "\ny\n", []string{"x\n", "y\n"}},
		"long line that holds From":     {"From a\n\n" + long[:mboxBuffer] + "From x\n\nb\n", []string{"\n" + long[:mboxBuffer] + "From x\n\nb\n"}},
		"long line, then >From in it":   {"From a\n\n" + long[:mboxBuffer] + ">From x\n", []string{"\n" + long[:mboxBuffer] + ">From x\n"}},
		"long quoted line":              {"From a\n>From " + long + "\n", []string{"From " + long + "\n"}},
		"more quoting than the buffer":  {"From a\n" + strings.Repeat(">", 2*mboxBuffer) + "From x\n", []string{strings.Repeat(">", 2*mboxBuffer) + "From x\n"}},
		"lone carriage return":          {"From a\nx\n\r\rFrom b\n", []string{"x\n\r\rFrom b\n"}},
		"empty line of a space is none": {"From a\nx\n \nFrom b\n", []string{"x\n \nFrom b\n"}},
		"nul bytes":                     {"From a\n\x00\n\nFrom b\n\x00", []string{"\x00\n", "\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members, got := splitAll(t, []byte(tt.in), strings.NewReader(tt.in))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			checkCover(t, []byte(tt.in), members, got)
		})
	}
	if _, err := newSplitter(strings.NewReader("Subject: x\n")).next(); err == nil || err == io.EOF {
		t.Errorf("no mbox: error %v", err)
	}
	broken := io.MultiReader(strings.NewReader("From a\nx\n\nFrom b\ny"), iotest.ErrReader(os.ErrPermission))
	s := newSplitter(broken)
	if _, err := s.next(); err != nil {
		t.Errorf("the member before the fault: %v", err)
	}
	if _, err := s.next(); err != os.ErrPermission {
		t.Errorf("error %v, want that of the disk", err)
	}
}

// checkCover asserts that the members cover the input without gap or overlap,
// and that their sizes are true.
func checkCover(t *testing.T, data []byte, members []member, texts []string) {
	t.Helper()
	at := int64(0)
	for i, m := range members {
		if m.begin != at || m.text < m.begin || m.end < m.text || m.next < m.end {
			t.Errorf("member %d lies at %+v, expected to begin at %d", i, m, at)
		}
		if !bytes.HasPrefix(data[m.begin:], fromLine) {
			t.Errorf(`member %d does not begin with "From "`, i)
		}
		if rest := string(data[m.end:m.next]); rest != "" && rest != "\n" && rest != "\r\n" {
			t.Errorf("member %d loses %q", i, rest)
		}
		if int64(len(texts[i])) != m.size() {
			t.Errorf("member %d: %d bytes, size says %d", i, len(texts[i]), m.size())
		}
		at = m.next
	}
	if at != int64(len(data)) {
		t.Errorf("the members end at %d of %d", at, len(data))
	}
}

func FuzzMbox(f *testing.F) {
	for _, s := range []string{
		"From a\nS: 1\n\nb1\n\nFrom b\nS: 2\n\nb2\n\n", "From a\r\n\r\nFrom b\r\n", "From ", "From a\n\n\n\n>From \n\n>>From x", "From a\n\nFrom b",
		"From a\n" + strings.Repeat(">", mboxBuffer) + "From x\n\nFrom y", "From a\n" + strings.Repeat("z", mboxBuffer-8) + "\n\nFrom y\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = append([]byte("From "), data...)
		members, texts := splitAll(t, data, bytes.NewReader(data))
		checkCover(t, data, members, texts)
		again, textsAgain := splitAll(t, data, iotest.HalfReader(bytes.NewReader(data)))
		if d := cmp.Diff(texts, textsAgain); d != "" || len(again) != len(members) {
			t.Errorf("read in other pieces: -first +second\n%s", d)
		}
		// mboxrd can be written back: quoting each text again gives the same one.
		for i, text := range texts {
			if strings.Contains(text, strings.Repeat(">", mboxBuffer/2)) {
				continue // more than the reader takes for quoting
			}
			quoted := "From x\n" + quote(text) + "\n"
			if !strings.HasSuffix(text, "\n") {
				continue // a writer would add the end of line
			}
			_, back := splitAll(t, []byte(quoted), strings.NewReader(quoted))
			if len(back) != 1 || back[0] != text {
				t.Errorf("member %d, written and read again: %q, want %q", i, back, text)
			}
		}
	})
}

// quote is what an mboxrd writer does.
func quote(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(strings.TrimLeft(l, ">"), "From ") {
			lines[i] = ">" + l
		}
	}
	return strings.Join(lines, "")
}

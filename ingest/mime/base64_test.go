package mime

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// FuzzBase64 compares lines that are decoded four characters at a time with the
// same characters set apart by blanks, which are decoded one by one.
func FuzzBase64(f *testing.F) {
	f.Add("QnVlbm9zIGTDrWFz\r\nLCBlbCBsZWN0b3I\r\n")
	f.Add("QUJD!QUJ\r\nD?UFV")
	f.Add("////++++\n\n\nAAA")
	f.Add(strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 20))
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ReplaceAll(s, "=", "") // what stands behind padding depends on its line
		if len(s) > 1<<20 {
			return
		}
		apart := strings.Join(strings.Split(s, ""), " ")
		decode := func(s string) ([]byte, *decoder) {
			r, d, _ := transferDecoder("base64", strings.NewReader(s))
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return b, d
		}
		fast, a := decode(s)
		slow, b := decode(apart)
		if !bytes.Equal(fast, slow) || a.illegal != b.illegal || a.cut != b.cut {
			t.Errorf("%q decodes to %q (illegal %v, cut %v), one by one to %q (%v, %v)", s, fast, a.illegal, a.cut, slow, b.illegal, b.cut)
		}
	})
}

package ticket

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// naiveCanonical says byte by byte what a canonical mail is.
func naiveCanonical(p []byte) []byte {
	var out []byte
	for i, b := range p {
		if b == '\n' && (i == 0 || p[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, b)
	}
	return out
}

func TestCanonicalWriter(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"a", "a"},
		{"\n", "\r\n"},
		{"\r\n", "\r\n"},
		{"\r", "\r"},
		{"a\rb\nc\r\nd", "a\rb\r\nc\r\nd"},
		{"\n\n\r\n\n", "\r\n\r\n\r\n\r\n"},
		{"\r\r\n\r", "\r\r\n\r"},
	} {
		for _, oneByte := range []bool{false, true} {
			var out bytes.Buffer
			src := io.Reader(bytes.NewReader([]byte(tc.in)))
			if oneByte {
				src = iotest.OneByteReader(src)
			}
			n, err := io.Copy(NewCanonicalWriter(&out), src)
			if err != nil || n != int64(len(tc.in)) {
				t.Errorf("%q: copied %d: %v", tc.in, n, err)
			}
			if out.String() != tc.want {
				t.Errorf("%q (one byte a write: %t): got %q, want %q", tc.in, oneByte, out.String(), tc.want)
			}
		}
	}
}

func TestCanonicalWriterError(t *testing.T) {
	full := errors.New("full")
	w := NewCanonicalWriter(iotestWriter(func(p []byte) (int, error) { return 0, full }))
	if n, err := w.Write([]byte("ab\nc")); n != 0 || !errors.Is(err, full) {
		t.Errorf("got %d, %v; want 0, %v", n, err, full)
	}
	w = NewCanonicalWriter(iotestWriter(func(p []byte) (int, error) { return len(p) - 1, nil }))
	if _, err := w.Write([]byte("ab\nc")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short write: got %v, want %v", err, io.ErrShortWrite)
	}
}

type iotestWriter func(p []byte) (int, error)

func (f iotestWriter) Write(p []byte) (int, error) { return f(p) }

func FuzzCanonicalWriter(f *testing.F) {
	f.Add([]byte("a\r\nb\nc\r"), uint8(1))
	f.Add([]byte("\n\r\n\r\r\n\n"), uint8(3))
	f.Add([]byte("From: x\r\n\r\nhola\n"), uint8(0))
	f.Fuzz(func(t *testing.T, p []byte, cut uint8) {
		want := naiveCanonical(p)
		var out bytes.Buffer
		w := NewCanonicalWriter(&out)
		step := int(cut)%16 + 1
		for rest := p; len(rest) > 0; {
			k := min(step, len(rest))
			if n, err := w.Write(rest[:k]); n != k || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
			rest = rest[k:]
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("%q cut by %d: got %q, want %q", p, step, out.Bytes(), want)
		}
		if again := naiveCanonical(out.Bytes()); !bytes.Equal(again, out.Bytes()) {
			t.Fatalf("%q: canonical form changes when made canonical: %q", p, again)
		}
	})
}

func BenchmarkCanonicalWriter(b *testing.B) {
	lf := bytes.Repeat([]byte("0123456789012345678901234567890123456789012345678901234567890123456789012345\n"), 1000)
	for name, in := range map[string][]byte{"LF": lf, "CRLF": naiveCanonical(lf)} {
		b.Run(name, func(b *testing.B) {
			w := NewCanonicalWriter(io.Discard)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Write(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

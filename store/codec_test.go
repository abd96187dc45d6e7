package store

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"radicado/ticket"
)

// fuzzDecode looks that a decoder of stored values takes any bytes without a
// panic and that what it took survives another round.
func fuzzDecode[T any](f *testing.F, sample T) {
	seed, err := encode(sample)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)/2])
	f.Add([]byte{valueVersion})
	f.Add([]byte{})
	f.Add([]byte("\x02{}"))
	f.Add([]byte("\x01null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode[T](b)
		if err != nil {
			if !errors.Is(err, errValue) && !errors.Is(err, ErrNotFound) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		first, err := encode(v)
		if err != nil {
			t.Fatalf("%q was decoded but not encoded: %v", b, err)
		}
		again, err := decode[T](first)
		if err != nil {
			t.Fatalf("%q was encoded but not decoded: %v", first, err)
		}
		second, err := encode(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("another round differs: %q, then %q: %v", first, second, err)
		}
	})
}

func FuzzDecodeTicket(f *testing.F) { fuzzDecode(f, testTicket(ticket.Number{Year: 2026, Seq: 1})) }

func FuzzDecodeMessage(f *testing.F) {
	fuzzDecode(f, messageRecord{Message: ticket.Message{Mail: ticket.Mail{Date: &t0}, Filings: []ticket.Filing{{Mailbox: "soporte"}}}, Seq: 1, Filed: []uint64{2}})
}

func FuzzDecodeEvent(f *testing.F) {
	fuzzDecode(f, ticket.Event{Seq: 1, At: t0, Kind: ticket.EventOpened, Message: &ticket.Digest{1}})
}

func FuzzDecodeOutcome(f *testing.F) {
	fuzzDecode(f, ticket.Outcome{Disposition: ticket.DispositionNew, Ticket: ticket.Number{Year: 2026, Seq: 1}})
}

func FuzzDecodeBody(f *testing.F) {
	seed, err := encodeBody(&ticket.Body{Text: "señor", HTML: "<p>", NewText: "s"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-3])
	f.Add([]byte{valueVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := decodeBody(b)
		if err != nil {
			return
		}
		again, err := encodeBody(&body)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := decodeBody(again); err != nil || second != body {
			t.Fatalf("%+v, then %+v: %v", body, second, err)
		}
	})
}

// FuzzStringKeys: keys order as strings do, none is a prefix of another, and
// they read back.
func FuzzStringKeys(f *testing.F) {
	f.Add("a", "ab", []byte{0xFF})
	f.Add("", "\x00", []byte{0, 1})
	f.Add("a\x00", "a\x00\x01", []byte{})
	f.Add("a\x00\xff", "a", []byte{0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, a, b string, rest []byte) {
		ka, kb := appendString(nil, a), appendString(nil, b)
		if got, want := bytes.Compare(ka, kb), strings.Compare(a, b); got != want {
			t.Fatalf("%q, %q: keys order as %d, strings as %d", a, b, got, want)
		}
		if a != b && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
			t.Fatalf("%q, %q: one key is the other's prefix", a, b)
		}
		back, left, err := cutString(append(bytes.Clone(ka), rest...))
		if err != nil || back != a || !bytes.Equal(left, rest) {
			t.Fatalf("%q: read back %q, rest %q, %v", a, back, left, err)
		}
		if s, left, err := cutString(rest); err == nil && !bytes.Equal(append(appendString(nil, s), left...), rest) {
			t.Fatalf("%q was read as %q", rest, s)
		}
	})
}

func FuzzTimeKeys(f *testing.F) {
	f.Add(int64(0), int64(0), int64(-1), int64(999_999_999))
	f.Add(int64(-62135596800), int64(0), int64(253402300799), int64(1))
	f.Fuzz(func(t *testing.T, aSec, aNano, bSec, bNano int64) {
		const span = 1 << 40 // seconds; time.Time itself overflows far from there
		a, b := time.Unix(aSec%span, aNano%1e9), time.Unix(bSec%span, bNano%1e9)
		if got, want := bytes.Compare(appendTime(nil, a), appendTime(nil, b)), a.Compare(b); got != want {
			t.Fatalf("%v, %v: keys order as %d, times as %d", a, b, got, want)
		}
	})
}

// FuzzOrderKeys: the queue's keys order as tickets do, and numbers as numbers.
func FuzzOrderKeys(f *testing.F) {
	f.Add(uint8(1), uint8(0), int64(5), uint16(2026), uint32(1), uint8(1), uint8(4), int64(5), uint16(2026), uint32(2))
	f.Fuzz(func(t *testing.T, p1, s1 uint8, due1 int64, y1 uint16, n1 uint32, p2, s2 uint8, due2 int64, y2 uint16, n2 uint32) {
		make := func(p, s uint8, due int64, y uint16, n uint32) *ticket.Ticket {
			return &ticket.Ticket{
				Number: ticket.Number{Year: int(y%9999) + 1, Seq: n}, Priority: ticket.Priority(p),
				Status: ticket.Statuses()[s%5], Due: time.Unix(due%(1<<40), 0),
			}
		}
		a, b := make(p1, s1, due1, y1, n1), make(p2, s2, due2, y2, n2)
		want := cmp.Or(
			cmp.Compare(closedByte(a.Status), closedByte(b.Status)), cmp.Compare(a.Priority, b.Priority), a.Due.Compare(b.Due), a.Number.Compare(b.Number),
		)
		ka, kb := appendOrder(nil, a), appendOrder(nil, b)
		if got := bytes.Compare(ka, kb); got != want {
			t.Fatalf("%+v, %+v: keys order as %d, tickets as %d", a, b, got, want)
		}
		if len(ka) != orderLen {
			t.Fatalf("key of %d bytes", len(ka))
		}
		if n, err := parseNumberKey(numberKey(a.Number)); (err == nil) != validNumber(a.Number) || err == nil && n != a.Number {
			t.Fatalf("%v read back as %v: %v", a.Number, n, err)
		}
	})
}

func FuzzLedgerKeys(f *testing.F) {
	key, err := ledgerKey(ticket.Origin{Mailbox: "soporte", Folder: "INBOX", UIDValidity: 0x01FF00FF, UID: 2})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add([]byte("\x02soporte\x00\x01a.mbox#2\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseLedgerKey(b)
		if err != nil {
			return
		}
		back, err := ledgerKey(o)
		if err == nil && !bytes.Equal(back, b) {
			t.Fatalf("%q was read as %+v, whose key is %q", b, o, back)
		}
	})
}

// FuzzFold: folding is done once and for all, and finds what it made.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"SEÑOR", "Straße", "ﬁn", "İstanbul", "\xff", "a\u0301", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		tk := ticket.Ticket{Number: ticket.Number{Year: 2026, Seq: 1}, Subject: s}
		text := ticketText(&tk)
		if !utf8.Valid(text) {
			t.Fatalf("%q: text index holds invalid UTF-8 %q", s, text)
		}
		if len(s) <= maxText && !bytes.Contains(text, newMatcher(Filter{Text: s}).text) {
			t.Fatalf("%q is not found in its own text %q", s, text)
		}
		if len(text) > 100+20*maxText {
			t.Fatalf("text index holds %d bytes", len(text))
		}
	})
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Hola": "hola", "SEÑOR": "senor", "Ñandú": "nandu", "n\u0303": "n", "Información ÚTIL": "informacion util", "ﬁnca": "finca",
	} {
		if diff := gocmp.Diff(want, fold(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

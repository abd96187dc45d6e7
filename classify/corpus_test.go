package classify

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"radicado/ticket"
)

// sample is one labelled mail of testdata.
type sample struct {
	ID       string          `json:"id"`
	Mailbox  string          `json:"mailbox"`
	From     string          `json:"from"`
	Subject  string          `json:"subject"`
	Body     string          `json:"body"`
	Type     ticket.Type     `json:"type"`
	Priority ticket.Priority `json:"priority"`
	Lang     string          `json:"lang"`
	Fold     int             `json:"-"`
}

// mail is the sample as the parser would hand it over.
func (s *sample) mail() *ticket.Mail {
	m := &ticket.Mail{Subject: s.Subject, Text: s.Body, NewText: newText(s.Body), Language: s.Lang}
	if a, err := mail.ParseAddress(s.From); err == nil {
		m.From = ticket.Address{Name: a.Name, Address: a.Address}
	}
	return m
}

var history = regexp.MustCompile(`(?m)^(-{3,} ?Mensaje original|De: |El .{5,90} escribió:$|>)`)

// newText does in a rough way what the parser does: it cuts replied-to history
// and keeps a forwarded mail.
func newText(body string) string {
	if strings.Contains(body, "Forwarded message") {
		return body
	}
	if at := history.FindStringIndex(body); at != nil && at[0] > 60 {
		return body[:at[0]]
	}
	return body
}

// readSamples reads a file of labelled mails and deals them into five folds as
// testdata/README.md says.
func readSamples(t testing.TB, path string) []sample {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []sample
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, s)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	for i := range out {
		out[i].Fold = i % 5
	}
	return out
}

// figures are the measures of one set of samples.
type figures struct {
	n, types, prios, both, p1, p1found, flagged, unflagged, unflaggedTypes, unflaggedPrios, unflaggedBoth int
}

func (f *figures) count(s *sample, c ticket.Classification) {
	f.n++
	ty, pr := c.Type == s.Type, c.Priority == s.Priority
	if ty {
		f.types++
	}
	if pr {
		f.prios++
	}
	if ty && pr {
		f.both++
	}
	if s.Priority == ticket.Critica {
		f.p1++
		if pr {
			f.p1found++
		}
	}
	if c.Review {
		f.flagged++
		return
	}
	f.unflagged++
	if ty {
		f.unflaggedTypes++
	}
	if pr {
		f.unflaggedPrios++
	}
	if ty && pr {
		f.unflaggedBoth++
	}
}

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

func (f *figures) String() string {
	return fmt.Sprintf("n %3d  type %.3f  priority %.3f  both %.3f  P1 recall %.3f (%d)  flagged %.3f  unflagged: type %.3f priority %.3f both %.3f",
		f.n, share(f.types, f.n), share(f.prios, f.n), share(f.both, f.n), share(f.p1found, f.p1), f.p1, share(f.flagged, f.n),
		share(f.unflaggedTypes, f.unflagged), share(f.unflaggedPrios, f.unflagged), share(f.unflaggedBoth, f.unflagged))
}

// Floors below which the rules must not fall; a little under what they reach,
// so that a change of one mail is no failure. See docs/classification.md.
func TestCorpusFloors(t *testing.T) {
	t.Parallel()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	var seen, held, own figures
	for _, s := range readSamples(t, "testdata/corpus.jsonl") {
		f := &seen
		if s.Fold == 4 {
			f = &held
		}
		f.count(&s, c.Classify(s.mail(), s.Mailbox))
	}
	for _, s := range readSamples(t, "testdata/own.jsonl") {
		own.count(&s, c.Classify(s.mail(), s.Mailbox))
	}
	t.Logf("\nfolds 0-3 %v\nfold 4    %v\nown       %v", &seen, &held, &own)
	for _, x := range []struct {
		name  string
		got   float64
		floor float64
	}{
		{"type, folds 0-3", share(seen.types, seen.n), 0.94},
		{"priority, folds 0-3", share(seen.prios, seen.n), 0.93},
		{"P1 recall, folds 0-3", share(seen.p1found, seen.p1), 0.90},
		{"type, fold 4", share(held.types, held.n), 0.70},
		{"priority, fold 4", share(held.prios, held.n), 0.70},
		{"P1 recall, fold 4", share(held.p1found, held.p1), 0.70},
		{"type without review, fold 4", share(held.unflaggedTypes, held.unflagged), 0.78},
		{"type, own", share(own.types, own.n), 0.93},
		{"priority, own", share(own.prios, own.n), 0.93},
	} {
		if x.got < x.floor {
			t.Errorf("%s: %.3f, floor %.2f", x.name, x.got, x.floor)
		}
	}
	if f := share(held.flagged, held.n); f > 0.5 {
		t.Errorf("fold 4: %.3f flagged for review, at most half", f)
	}
}

package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"radicado/store"
	"radicado/ticket"
)

func TestParseFilter(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 7, d, 0, 0, 0, 0, ticket.Bogota) }
	open := []ticket.Status{ticket.Nuevo, ticket.Abierto, ticket.Pendiente}
	for query, want := range map[string]store.Filter{
		"":                                   {},
		"status=&type=&due=&limit=&after=":   {},
		"status=nuevo,Abierto,,nuevo":        {Status: []ticket.Status{ticket.Nuevo, ticket.Abierto}},
		"status=nuevo&status=cerrado":        {Status: []ticket.Status{ticket.Nuevo, ticket.Cerrado}},
		"type=Petición,apelacion":            {Type: []ticket.Type{ticket.Peticion, ticket.Apelacion}},
		"priority=1,baja":                    {Priority: []ticket.Priority{ticket.Critica, ticket.Baja}},
		"mailbox=+soporte+":                  {Mailbox: "soporte"},
		"assignee=lparra":                    {Assignee: ptr("lparra")},
		"assignee=none":                      {Assignee: ptr("")},
		"text=se%C3%B1or+Pe%C3%B1a":          {Text: "señor Peña"},
		"review=true&quarantined=false":      {Review: ptr(true), Quarantined: ptr(false)},
		"due=overdue":                        {Status: open, DueBefore: testNow},
		"due=today":                          {Status: open, DueBefore: day(16)},
		"due=tomorrow":                       {Status: open, DueBefore: day(17)},
		"due=2026-07-31":                     {Status: open, DueBefore: time.Date(2026, 8, 1, 0, 0, 0, 0, ticket.Bogota)},
		"due=today&status=resuelto":          {Status: []ticket.Status{ticket.Resuelto}, DueBefore: day(16)},
		"sort=queue":                         {},
		"sort=due&limit=1000":                {Sort: store.SortDue, Limit: 1000},
		"sort=number&limit=1&after=AgfqAAAB": {Sort: store.SortNumber, Limit: 1, After: "AgfqAAAB"},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFilter(q, testNow)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// TestParseFilterDay: today is Bogotá's, which is still yesterday's evening
// when it is past midnight in UTC.
func TestParseFilterDay(t *testing.T) {
	now := time.Date(2026, 7, 16, 3, 0, 0, 0, time.UTC) // 22:00 of the 15th in Bogotá
	f, err := ParseFilter(url.Values{"due": {"today"}}, now)
	if want := time.Date(2026, 7, 16, 5, 0, 0, 0, time.UTC); err != nil || !f.DueBefore.Equal(want) {
		t.Errorf("due before %v, want %v, %v", f.DueBefore, want, err)
	}
}

func TestParseFilterErrors(t *testing.T) {
	for query, want := range map[string]string{
		"status=nueva":                     `status "nueva": want one of nuevo, abierto, pendiente, resuelto, cerrado`,
		"status=nuevo,x":                   `status "x": want one of nuevo, abierto, pendiente, resuelto, cerrado`,
		"type=bug":                         `type "bug": want one of incidente, requerimiento, peticion, queja, reclamo, sugerencia, apelacion`,
		"priority=0":                       `priority "0": want one of 1 (crítica), 2 (alta), 3 (media), 4 (baja)`,
		"due=ayer":                         `due "ayer": want one of overdue, today, tomorrow, YYYY-MM-DD`,
		"due=2026-02-30":                   `due "2026-02-30": want one of overdue, today, tomorrow, YYYY-MM-DD`,
		"due=today&due=tomorrow":           `due "tomorrow": want one value only`,
		"review=yes":                       `review "yes": want true, false`,
		"quarantined=1":                    `quarantined "1": want true, false`,
		"sort=date":                        `sort "date": want one of queue, due, number`,
		"limit=0":                          `limit "0": want 1..1000`,
		"limit=-1":                         `limit "-1": want 1..1000`,
		"limit=1001":                       `limit "1001": want 1..1000`,
		"limit=99999999999999999":          `limit "99999999999999999": want 1..1000`,
		"text=a%00b":                       `text "a\x00b": want 0..200 printable characters`,
		"mailbox=a&mailbox=b":              `mailbox "b": want one value only`,
		"assignee=%FF":                     "assignee \"\uFFFD\": want 0..100 printable characters",
		"foo=1":                            `parameter "foo": want one of status, type, priority, mailbox, due, assignee, text, review, quarantined, sort, limit, after`,
		"text=" + strings.Repeat("a", 201): `text "` + strings.Repeat("a", 60) + `…": want 0..200 printable characters`,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ParseFilter(q, testNow)
		if err == nil || err.Error() != want {
			t.Errorf("%s: error %q, want %q", query, err, want)
		}
		if diff := cmp.Diff(store.Filter{}, f); diff != "" {
			t.Errorf("%s: a filter besides the error: %s", query, diff)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"", "status=nuevo,abierto&type=peticion&priority=1&due=today", "due=9999-12-31", "due=0000-01-01", "assignee=none&text=%C3%B1", "limit=1000&after=AAAA&sort=due",
		"status=" + strings.Repeat("nuevo,", 50), "text=%FF%00", "a=b", "review=true&quarantined=false&mailbox=pqrsa", "text=" + strings.Repeat("á", 300),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, _ := url.ParseQuery(query) // what could be read of it
		got, err := ParseFilter(q, testNow)
		again, errAgain := ParseFilter(q, testNow)
		if (err == nil) != (errAgain == nil) || cmp.Diff(got, again) != "" {
			t.Fatalf("%q reads differently the second time", query)
		}
		if err != nil {
			// More than one thing may be wrong, so the sentence need not be the
			// same; it names a parameter, and stays short and valid.
			if s := err.Error(); !utf8.ValidString(s) || len(s) > 1000 || !slices.ContainsFunc(append(filterParams, "parameter"), func(p string) bool { return strings.HasPrefix(s, p+" ") }) {
				t.Errorf("error %q", s)
			}
			if s := problemOf(err); s == errPanic || !utf8.ValidString(s.spanish) {
				t.Errorf("error %q becomes %+v", err, s)
			}
			return
		}
		for _, s := range got.Status {
			if !s.Valid() {
				t.Errorf("status %q", s)
			}
		}
		for _, v := range got.Type {
			if !v.Valid() {
				t.Errorf("type %q", v)
			}
		}
		for _, p := range got.Priority {
			if !p.Valid() {
				t.Errorf("priority %d", p)
			}
		}
		if got.Limit < 0 || got.Limit > MaxLimit || len(got.After) > maxFilterAfter {
			t.Errorf("limit %d, position of %d bytes", got.Limit, len(got.After))
		}
		for _, s := range []string{got.Text, got.Mailbox, got.After} {
			if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxFilterAfter {
				t.Errorf("words %q", s)
			}
		}
		if len(got.Status) > 5 || len(got.Type) > 7 || len(got.Priority) > 4 {
			t.Errorf("values repeat: %+v", got)
		}
		if !got.DueBefore.IsZero() && len(got.Status) == 0 {
			t.Error("what is done counts as due")
		}
	})
}

package calendar

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"radicado/ticket"
)

// The terms of the law by their length, to choose one in the vectors.
var termOf = map[int]ticket.TermCode{10: ticket.TermPeticionDocumentos, 15: ticket.TermPeticionGeneral, 30: ticket.TermPeticionConsulta}

// TestVectors are due dates on which two other programs agree.
func TestVectors(t *testing.T) {
	midnight := DeskPQRSA()
	midnight.Cutoff = 24 * time.Hour
	c := mustNew(t, Options{Desks: map[string]Desk{"pqrsa": DeskPQRSA(), "soporte": Desk24x7(), "strict": midnight}})
	for _, tc := range []struct {
		mailbox, at string
		days        int
		filed, due  ticket.Date
	}{
		{"pqrsa", "2025-04-16 16:59:00", 10, "2025-04-16", "2025-05-05"},
		{"pqrsa", "2025-06-27 18:00:00", 15, "2025-07-01", "2025-07-22"},
		{"pqrsa", "2026-06-26 17:00:00", 15, "2026-06-30", "2026-07-23"},
		{"pqrsa", "2026-07-03 10:00:00", 15, "2026-07-03", "2026-07-28"},
		{"pqrsa", "2026-07-12 23:30:00", 10, "2026-07-14", "2026-07-29"},
		{"pqrsa", "2026-12-24 09:00:00", 15, "2026-12-24", "2027-01-19"},
		{"pqrsa", "2027-03-19 17:05:00", 10, "2027-03-23", "2027-04-08"},
		{"pqrsa", "2027-04-30 06:30:00", 30, "2027-04-30", "2027-06-16"},
		{"pqrsa", "2028-12-29 10:00:00", 10, "2028-12-29", "2029-01-16"},
		{"strict", "2025-06-27 18:00:00", 15, "2025-06-27", "2025-07-21"},
		{"strict", "2026-06-26 17:00:00", 15, "2026-06-26", "2026-07-22"},
		{"strict", "2027-03-19 17:05:00", 10, "2027-03-19", "2027-04-07"},
		{"soporte", "2025-06-27 18:00:00", 15, "2025-06-27", "2025-07-21"},
		{"soporte", "2026-06-26 17:00:00", 15, "2026-06-26", "2026-07-22"},
		{"soporte", "2027-03-19 17:05:00", 10, "2027-03-19", "2027-04-07"},
	} {
		d := c.Deadline(ticket.TermRequest{Mailbox: tc.mailbox, Code: termOf[tc.days], ReceivedAt: at(t, tc.at)})
		if d.Term.FiledOn != tc.filed || d.Term.DueOn != tc.due || d.Term.Days != tc.days {
			t.Errorf("%s %s, %d days: filed %s, due %s, %d days; want %s, %s", tc.mailbox, tc.at, tc.days, d.Term.FiledOn, d.Term.DueOn, d.Term.Days, tc.filed, tc.due)
		}
		if want := string(tc.due) + "T17:00:00-05:00"; d.Due.Format(time.RFC3339) != want {
			t.Errorf("%s %s: due at %s, want %s", tc.mailbox, tc.at, d.Due.Format(time.RFC3339), want)
		}
		if got := c.BusinessDaysBetween(tc.filed, tc.due); got != tc.days {
			t.Errorf("%s to %s: %d days, want %d", tc.filed, tc.due, got, tc.days)
		}
	}
}

func TestDeadlineOfEachTerm(t *testing.T) {
	c := mustNew(t, Options{Desks: desks()})
	for _, tc := range []struct {
		code     ticket.TermCode
		typ      ticket.Type
		priority ticket.Priority
		want     ticket.TermCode
		days     int
		unit     string
		rule     string // part of it
		due      string
	}{
		{"", ticket.Peticion, 0, ticket.TermPeticionGeneral, 15, ticket.UnitBusinessDays, "Ley 1755 de 2015, art. 14", "2026-08-04T17:00:00-05:00"},
		{ticket.TermPeticionDocumentos, ticket.Peticion, 0, ticket.TermPeticionDocumentos, 10, ticket.UnitBusinessDays, "art. 14.1", "2026-07-28T17:00:00-05:00"},
		{ticket.TermPeticionConsulta, ticket.Peticion, 0, ticket.TermPeticionConsulta, 30, ticket.UnitBusinessDays, "art. 14.2", "2026-08-27T17:00:00-05:00"},
		{"", ticket.Queja, 0, ticket.TermQueja, 15, ticket.UnitBusinessDays, "arts. 13 y 14", "2026-08-04T17:00:00-05:00"},
		{"", ticket.Reclamo, 0, ticket.TermReclamo, 15, ticket.UnitBusinessDays, "Ley 1480 de 2011, art. 58.5", "2026-08-04T17:00:00-05:00"},
		{"", ticket.Sugerencia, 0, ticket.TermSugerencia, 15, ticket.UnitBusinessDays, "cortesía", "2026-08-04T17:00:00-05:00"},
		{"", ticket.Apelacion, 0, ticket.TermApelacion, 15, ticket.UnitBusinessDays, "apelaciones", "2026-08-04T17:00:00-05:00"},
		{ticket.TermHabeasConsulta, ticket.Peticion, 0, ticket.TermHabeasConsulta, 10, ticket.UnitBusinessDays, "Ley 1581 de 2012, art. 14", "2026-07-28T17:00:00-05:00"},
		{ticket.TermHabeasReclamo, ticket.Reclamo, 0, ticket.TermHabeasReclamo, 15, ticket.UnitBusinessDays, "Ley 1581 de 2012, art. 15.3", "2026-08-04T17:00:00-05:00"},
		{ticket.TermTutela, ticket.Peticion, 1, ticket.TermTutela, 1, ticket.UnitBusinessDays, "Decreto 2591 de 1991, art. 19: provisional", "2026-07-14T17:00:00-05:00"},
		{ticket.TermAutoridad, ticket.Peticion, 2, ticket.TermAutoridad, 10, ticket.UnitBusinessDays, "provisional", "2026-07-28T17:00:00-05:00"},
		{"", ticket.Incidente, 1, ticket.TermIncidente, 2, ticket.UnitHours, "objetivo de servicio", "2026-07-10T18:30:00-05:00"},
		{"", ticket.Incidente, 2, ticket.TermIncidente, 8, ticket.UnitHours, "objetivo de servicio", "2026-07-11T00:30:00-05:00"},
		{"", ticket.Incidente, 3, ticket.TermIncidente, 3, ticket.UnitBusinessDays, "objetivo de servicio", "2026-07-16T17:00:00-05:00"},
		{"", ticket.Requerimiento, 4, ticket.TermRequerimiento, 10, ticket.UnitBusinessDays, "objetivo de servicio", "2026-07-28T17:00:00-05:00"},
		{"", ticket.Requerimiento, 0, ticket.TermRequerimiento, 3, ticket.UnitBusinessDays, "objetivo de servicio", "2026-07-16T17:00:00-05:00"},
		{ticket.TermIncidente, ticket.Reclamo, 1, ticket.TermIncidente, 2, ticket.UnitHours, "objetivo de servicio", "2026-07-10T18:30:00-05:00"},
		{"no such term", ticket.Queja, 0, ticket.TermQueja, 15, ticket.UnitBusinessDays, "Ley 1755", "2026-08-04T17:00:00-05:00"},
		{"no such term", "no such type", 0, ticket.TermPeticionGeneral, 15, ticket.UnitBusinessDays, "Ley 1755", "2026-08-04T17:00:00-05:00"},
	} {
		d := c.Deadline(ticket.TermRequest{Mailbox: "soporte", Code: tc.code, Type: tc.typ, Priority: tc.priority, ReceivedAt: at(t, "2026-07-10 16:30:00")})
		got := d.Term
		if got.Code != tc.want || got.Days != tc.days || got.Unit != tc.unit || !strings.Contains(got.Rule, tc.rule) {
			t.Errorf("%s of %s %d: got %+v", tc.code, tc.typ, tc.priority, got)
		}
		if d.Due.Format(time.RFC3339) != tc.due {
			t.Errorf("%s of %s %d: due %s, want %s", tc.code, tc.typ, tc.priority, d.Due.Format(time.RFC3339), tc.due)
		}
		if got.FiledOn != "2026-07-10" || got.ExtendedTo != "" || got.Calendar != c.Version() || string(got.DueOn) != tc.due[:10] {
			t.Errorf("%s of %s %d: got %+v", tc.code, tc.typ, tc.priority, got)
		}
	}
}

func TestEveryTermHasADefault(t *testing.T) {
	c := mustNew(t, Options{})
	for _, code := range ticket.TermCodes() {
		d := c.Deadline(ticket.TermRequest{Code: code, ReceivedAt: at(t, "2026-07-10 16:30:00")})
		if d.Term.Code != code || d.Term.Days < 1 || d.Term.Rule == "" || d.Term.Unit == "" {
			t.Errorf("%s: %+v", code, d.Term)
		}
	}
}

func TestOverrides(t *testing.T) {
	c := mustNew(t, Options{
		Terms:   map[ticket.TermCode]Rule{ticket.TermQueja: {Days: 5}, ticket.TermTutela: {Days: 48, Unit: ticket.UnitHours, Rule: "auto del juez"}},
		Targets: map[ticket.Priority]Rule{ticket.Critica: {Days: 4}},
	})
	now := at(t, "2026-07-10 16:30:00")
	for code, want := range map[ticket.TermCode]string{
		ticket.TermQueja:     "5 business_days Ley 1755 de 2015, arts. 13 y 14 2026-07-21 17:00",
		ticket.TermTutela:    "48 hours auto del juez 2026-07-12 16:30",
		ticket.TermIncidente: "4 hours objetivo de servicio 2026-07-10 20:30",
	} {
		d := c.Deadline(ticket.TermRequest{Code: code, Priority: ticket.Critica, ReceivedAt: now})
		got := fmt.Sprintf("%d %s %s %s", d.Term.Days, d.Term.Unit, d.Term.Rule, d.Due.Format("2006-01-02 15:04"))
		if got != want {
			t.Errorf("%s: got %s, want %s", code, got, want)
		}
	}
}

func TestDeadlineOfAnyRequest(t *testing.T) {
	c := mustNew(t, Options{Desks: desks(), Closed: []ClosedDay{{"2026-12-31", "cierre"}}})
	codes := append(ticket.TermCodes(), "", "other")
	types := append(ticket.Types(), "", "other")
	rapid.Check(t, func(t *rapid.T) {
		r := ticket.TermRequest{
			Mailbox:    rapid.SampledFrom([]string{"soporte", "pqrsa", ""}).Draw(t, "mailbox"),
			Code:       rapid.SampledFrom(codes).Draw(t, "code"),
			Type:       rapid.SampledFrom(types).Draw(t, "type"),
			Priority:   ticket.Priority(rapid.IntRange(-1, 6).Draw(t, "priority")),
			ReceivedAt: time.Unix(rapid.Int64Range(-80e9, 300e9).Draw(t, "received"), rapid.Int64Range(0, 999999999).Draw(t, "ns")),
		}
		d := c.Deadline(r)
		if d.Term.Unit == ticket.UnitBusinessDays && !c.Business(d.Term.DueOn) {
			t.Fatalf("due on a closed day: %+v", d)
		}
		if !c.Business(d.Term.FiledOn) {
			t.Fatalf("filed on a closed day: %+v", d)
		}
		if ticket.DateOf(d.Due) != d.Term.DueOn {
			t.Fatalf("due at %s, but on %s", d.Due, d.Term.DueOn)
		}
		in := r.ReceivedAt.Year() > 1 && r.ReceivedAt.Year() < 9999
		if in && d.Due.Before(r.ReceivedAt) {
			t.Fatalf("due %s before it was received %s", d.Due, r.ReceivedAt)
		}
		if in && d.Term.FiledOn < ticket.DateOf(r.ReceivedAt) {
			t.Fatalf("filed %s before it was received %s", d.Term.FiledOn, r.ReceivedAt)
		}
		later := r
		later.ReceivedAt = r.ReceivedAt.Add(time.Duration(rapid.Int64Range(0, 1<<52).Draw(t, "later")))
		if l := c.Deadline(later); l.Due.Before(d.Due) || l.Term.FiledOn < d.Term.FiledOn {
			t.Fatalf("received later, due before: %+v, %+v", d, l)
		}
	})
}

func TestExtremeInstants(t *testing.T) {
	c := mustNew(t, Options{Desks: desks()})
	for _, received := range []time.Time{
		{}, time.Unix(-1<<62, 0), time.Unix(1<<62, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Date(1, 1, 1, 0, 0, 0, 0, ticket.Bogota), time.Date(-400, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(30000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		for _, code := range ticket.TermCodes() {
			for p := ticket.Critica; p <= ticket.Baja; p++ {
				d := c.Deadline(ticket.TermRequest{Mailbox: "pqrsa", Code: code, Priority: p, ReceivedAt: received})
				if !c.Business(d.Term.FiledOn) {
					t.Errorf("%s: filed on %q", received, d.Term.FiledOn)
				}
				// What cannot be written as RFC 3339 would stop a whole store.
				if _, err := json.Marshal(d.Due.UTC()); err != nil {
					t.Errorf("%s, %s: %v", received, code, err)
				}
			}
		}
		c.NextOpening("pqrsa", received)
	}
}

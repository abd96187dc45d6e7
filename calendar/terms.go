package calendar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"radicado/ticket"
)

// endOfDay is the hour in Bogotá at which a term in business days ends: the end
// of desk hours, for mail of every mailbox.
const endOfDay = 17 * time.Hour

// maxLength bounds a term: longer is a slip of the keyboard.
const maxLength = 1000

// Rule is the length of a term and where it is written.
type Rule struct {
	Days int    // length in Unit, 1 to 1000
	Unit string // [ticket.UnitBusinessDays] or [ticket.UnitHours]; "" as in the default
	Rule string // law and article in Spanish, for people; "" as in the default
}

// DefaultTerms returns the terms of all codes but incidente and requerimiento.
// They are defaults of the configuration; the desk's lawyer approves them.
func DefaultTerms() map[ticket.TermCode]Rule {
	days := func(n int, rule string) Rule { return Rule{Days: n, Unit: ticket.UnitBusinessDays, Rule: rule} }
	return map[ticket.TermCode]Rule{
		ticket.TermPeticionGeneral:    days(15, "Ley 1755 de 2015, art. 14"),
		ticket.TermPeticionDocumentos: days(10, "Ley 1755 de 2015, art. 14.1"),
		ticket.TermPeticionConsulta:   days(30, "Ley 1755 de 2015, art. 14.2"),
		ticket.TermQueja:              days(15, "Ley 1755 de 2015, arts. 13 y 14"),
		ticket.TermReclamo:            days(15, "Ley 1755 de 2015, arts. 13 y 14; Ley 1480 de 2011, art. 58.5"),
		ticket.TermSugerencia:         days(15, "plazo de cortesía, sin término legal"),
		ticket.TermApelacion:          days(15, "procedimiento interno de apelaciones, sin término legal"),
		ticket.TermHabeasConsulta:     days(10, "Ley 1581 de 2012, art. 14"),
		ticket.TermHabeasReclamo:      days(15, "Ley 1581 de 2012, art. 15.3"),
		// A judge's term is usually 1 to 3 days or some hours: until a lead has
		// read the order, the ticket must not look less urgent than that.
		ticket.TermTutela:    days(1, "Decreto 2591 de 1991, art. 19: provisional, rige el término que fije el juez"),
		ticket.TermAutoridad: days(10, "provisional, rige el término del oficio de la autoridad"),
	}
}

// DefaultTargets returns within which time incidents and service requests are
// to be resolved. No law says so: they are targets of the desk.
func DefaultTargets() map[ticket.Priority]Rule {
	const rule = "objetivo de servicio"
	return map[ticket.Priority]Rule{
		ticket.Critica: {Days: 2, Unit: ticket.UnitHours, Rule: rule},
		ticket.Alta:    {Days: 8, Unit: ticket.UnitHours, Rule: rule},
		ticket.Media:   {Days: 3, Unit: ticket.UnitBusinessDays, Rule: rule},
		ticket.Baja:    {Days: 10, Unit: ticket.UnitBusinessDays, Rule: rule},
	}
}

// over completes r with what it leaves as in the default, and checks it.
func (r Rule) over(standard Rule) (Rule, error) {
	if r.Unit == "" {
		r.Unit = standard.Unit
	}
	if strings.TrimSpace(r.Rule) == "" {
		r.Rule = standard.Rule
	}
	if r.Unit != ticket.UnitBusinessDays && r.Unit != ticket.UnitHours {
		return Rule{}, fmt.Errorf("unit %q: want %s or %s", r.Unit, ticket.UnitBusinessDays, ticket.UnitHours)
	}
	if r.Days < 1 || r.Days > maxLength {
		return Rule{}, fmt.Errorf("length %d: want 1 to %d", r.Days, maxLength)
	}
	return r, nil
}

// Deadline reckons when a ticket falls due; it is a [ticket.Terms]. A term in
// business days ends at 17:00 of the n-th business day after the day of filing;
// one in hours runs day and night from the arrival, so that it may be over
// before a mail that came on a closed day counts as filed. A request without a
// known code takes the default of its type, one without a priority the target
// of [ticket.Media].
func (c *Calendar) Deadline(r ticket.TermRequest) ticket.Deadline {
	code, rule := c.rule(r)
	at := clamp(r.ReceivedAt)
	filed := c.filed(c.desk(r.Mailbox), at)
	var due time.Time
	if rule.Unit == ticket.UnitHours {
		due = clamp(at.Add(time.Duration(rule.Days) * time.Hour)).In(ticket.Bogota)
	} else {
		due = c.add(filed, rule.Days).at(endOfDay)
	}
	return ticket.Deadline{
		Term: ticket.Term{
			Code: code, Days: rule.Days, Unit: rule.Unit, Rule: rule.Rule,
			FiledOn: filed.date(), DueOn: dayOf(due).date(), Calendar: c.version,
		},
		Due: due,
	}
}

func (c *Calendar) rule(r ticket.TermRequest) (ticket.TermCode, Rule) {
	code := r.Code
	if !slices.Contains(ticket.TermCodes(), code) {
		code = ticket.DefaultTerm(r.Type)
	}
	if code != ticket.TermIncidente && code != ticket.TermRequerimiento {
		return code, c.terms[code]
	}
	if !r.Priority.Valid() {
		return code, c.targets[ticket.Media]
	}
	return code, c.targets[r.Priority]
}

func codes(terms map[ticket.TermCode]Rule) string {
	var list []string
	for _, code := range slices.Sorted(maps.Keys(terms)) {
		list = append(list, string(code))
	}
	return strings.Join(list, ", ")
}

package ticket

import "time"

// TermCode names the rule by which a ticket falls due.
type TermCode string

// The terms. Days and articles are configuration of package calendar.
const (
	TermPeticionGeneral    TermCode = "peticion.general"    // Ley 1755 de 2015, art. 14
	TermPeticionDocumentos TermCode = "peticion.documentos" // Ley 1755 de 2015, art. 14.1
	TermPeticionConsulta   TermCode = "peticion.consulta"   // Ley 1755 de 2015, art. 14.2; chosen by a lead only
	TermQueja              TermCode = "queja"               // Ley 1755 de 2015, art. 13
	TermReclamo            TermCode = "reclamo"             // Ley 1755 de 2015, art. 13; Ley 1480 de 2011, art. 58.5
	TermSugerencia         TermCode = "sugerencia"          // courtesy
	TermApelacion          TermCode = "apelacion"           // the desk's own
	TermHabeasConsulta     TermCode = "habeas.consulta"     // Ley 1581 de 2012, art. 14
	TermHabeasReclamo      TermCode = "habeas.reclamo"      // Ley 1581 de 2012, art. 15
	TermTutela             TermCode = "tutela"              // the judge's own term
	TermAutoridad          TermCode = "autoridad"           // the term in the authority's letter
	TermIncidente          TermCode = "incidente"           // target by priority
	TermRequerimiento      TermCode = "requerimiento"       // target by priority
)

// TermCodes returns all terms.
func TermCodes() []TermCode {
	return []TermCode{
		TermPeticionGeneral, TermPeticionDocumentos, TermPeticionConsulta, TermQueja, TermReclamo, TermSugerencia,
		TermApelacion, TermHabeasConsulta, TermHabeasReclamo, TermTutela, TermAutoridad, TermIncidente, TermRequerimiento,
	}
}

// DefaultTerm returns the term of a type when nothing more is known.
func DefaultTerm(t Type) TermCode {
	switch t {
	case Incidente:
		return TermIncidente
	case Requerimiento:
		return TermRequerimiento
	case Queja:
		return TermQueja
	case Reclamo:
		return TermReclamo
	case Sugerencia:
		return TermSugerencia
	case Apelacion:
		return TermApelacion
	}
	return TermPeticionGeneral
}

// Term is a rule applied to one ticket. FiledOn and DueOn are kept as they were
// reckoned: a changed calendar never rewrites them.
type Term struct {
	Code       TermCode `json:"code"`
	Days       int      `json:"days"`        // length in Unit
	Unit       string   `json:"unit"`        // "business_days" or "hours"
	Rule       string   `json:"rule"`        // law and article, or "objetivo de servicio"
	FiledOn    Date     `json:"filed_on"`    // the legal day of filing
	DueOn      Date     `json:"due_on"`      // the last day of the term
	ExtendedTo Date     `json:"extended_to"` // "" unless extended
	Calendar   string   `json:"calendar"`    // version of the calendar that reckoned it
}

// Units of [Term].
const (
	UnitBusinessDays = "business_days"
	UnitHours        = "hours"
)

// Deadline is a term with the instant at which it ends.
type Deadline struct {
	Term Term
	Due  time.Time
}

// TermRequest is what a deadline depends on.
type TermRequest struct {
	Mailbox    string    // its business hours and cutoff apply
	Code       TermCode  // the empty value means the default of Type
	Type       Type      //
	Priority   Priority  // decides the targets of incidente and requerimiento
	ReceivedAt time.Time // when our mail server took the first mail
}

// Terms reckons a deadline. Package calendar provides it.
type Terms func(TermRequest) Deadline

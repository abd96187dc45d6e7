package ticket

import (
	"fmt"
	"slices"
	"strings"
)

// Type says what the desk has to do about a ticket. The values are the words
// that Colombian desks use and are stored and printed as they stand.
type Type string

// The seven types.
const (
	Incidente     Type = "incidente"     // something that worked fails, errors, is slow or down
	Requerimiento Type = "requerimiento" // asks support for work or help
	Peticion      Type = "peticion"      // asks for information, documents, a right
	Queja         Type = "queja"         // about the conduct or attention of people
	Reclamo       Type = "reclamo"       // about the service delivered or billed; asks for correction
	Sugerencia    Type = "sugerencia"    // proposes an improvement
	Apelacion     Type = "apelacion"     // disputes a decision already given
)

// Types returns all types in their usual order.
func Types() []Type {
	return []Type{Incidente, Requerimiento, Peticion, Queja, Reclamo, Sugerencia, Apelacion}
}

// Valid reports whether t is one of [Types].
func (t Type) Valid() bool { return slices.Contains(Types(), t) }

// PQRSA reports whether t is a petición, queja, reclamo, sugerencia or
// apelación, which the desk answers within a term in business days.
func (t Type) PQRSA() bool { return t.Valid() && t != Incidente && t != Requerimiento }

// ParseType reads a type as a person may write it: any case, accents or not.
func ParseType(s string) (Type, error) {
	t := Type(strings.NewReplacer("ó", "o", "Ó", "o").Replace(strings.ToLower(strings.TrimSpace(s))))
	if !t.Valid() {
		return "", fmt.Errorf("type %q: want one of %s", s, joinWords(Types()))
	}
	return t, nil
}

// joinWords lists the values a person may choose from.
func joinWords[S ~string](values []S) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

package ticket

import (
	"fmt"
	"slices"
	"strings"
)

// Status is where a ticket stands.
type Status string

// The statuses. A ticket begins as nuevo and never returns to it.
const (
	Nuevo     Status = "nuevo"     // nobody has taken it
	Abierto   Status = "abierto"   // someone works on it
	Pendiente Status = "pendiente" // waits for the customer
	Resuelto  Status = "resuelto"  // answered; the customer may still object
	Cerrado   Status = "cerrado"   // done
)

// Statuses returns all statuses in the order a ticket usually goes through.
func Statuses() []Status { return []Status{Nuevo, Abierto, Pendiente, Resuelto, Cerrado} }

// transitions lists where a status may go by a lead's hand.
var transitions = map[Status][]Status{
	Nuevo:     {Abierto, Pendiente, Resuelto, Cerrado},
	Abierto:   {Pendiente, Resuelto, Cerrado},
	Pendiente: {Abierto, Resuelto, Cerrado},
	Resuelto:  {Abierto, Cerrado},
	Cerrado:   {Abierto},
}

// Valid reports whether s is one of [Statuses].
func (s Status) Valid() bool { return slices.Contains(Statuses(), s) }

// Open reports whether a ticket in this status still has work to be done.
func (s Status) Open() bool { return s == Nuevo || s == Abierto || s == Pendiente }

// CanBecome reports whether a lead may move a ticket from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(transitions[s], next) }

// Next returns the statuses that s may become.
func (s Status) Next() []Status { return slices.Clone(transitions[s]) }

// OnReply returns the status after the customer has written again: what waited
// for him or was thought done is open again, the rest stays.
func (s Status) OnReply() Status {
	switch s {
	case Pendiente, Resuelto, Cerrado:
		return Abierto
	}
	return s
}

// ParseStatus reads a status in any case.
func ParseStatus(v string) (Status, error) {
	s := Status(strings.ToLower(strings.TrimSpace(v)))
	if !s.Valid() {
		return "", fmt.Errorf("status %q: want one of %s", v, joinWords(Statuses()))
	}
	return s, nil
}

package ticket

import (
	"fmt"
	"strings"
)

// Priority says how soon a ticket must be attended, from 1 (crítica) to 4
// (baja). The zero value means "not decided".
type Priority int

// The four priorities.
const (
	Critica Priority = 1 // an entity or all its users out; active security incident; court order running
	Alta    Priority = 2 // an important function degraded; an authority involved; a claim past its term
	Media   Priority = 3 // one user or one case; ordinary petitions, complaints, claims, appeals
	Baja    Priority = 4 // question, information, cosmetic, suggestion, thanks
)

// Priorities returns all priorities, most urgent first.
func Priorities() []Priority { return []Priority{Critica, Alta, Media, Baja} }

// Valid reports whether p is 1 to 4.
func (p Priority) Valid() bool { return p >= Critica && p <= Baja }

// String returns the Spanish word that leads read.
func (p Priority) String() string {
	switch p {
	case Critica:
		return "crítica"
	case Alta:
		return "alta"
	case Media:
		return "media"
	case Baja:
		return "baja"
	}
	return fmt.Sprintf("prioridad %d", int(p))
}

// ParsePriority reads 1 to 4 or the Spanish word, accents or not.
func ParsePriority(s string) (Priority, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "critica", "crítica":
		return Critica, nil
	case "2", "alta":
		return Alta, nil
	case "3", "media":
		return Media, nil
	case "4", "baja":
		return Baja, nil
	}
	return 0, fmt.Errorf("priority %q: want 1 (crítica), 2 (alta), 3 (media) or 4 (baja)", s)
}

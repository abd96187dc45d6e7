package web

import (
	"strings"
	"testing"
	"time"

	"radicado/ticket"
)

func TestDateWords(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for in, want := range map[string]string{
		"2026-07-13T10:24:00-05:00": "lun 13 jul, 10:24",
		"2026-07-14T02:05:00Z":      "lun 13 jul, 21:05",
		"2026-01-01T04:59:00Z":      "mié 31 dic 2025, 23:59",
		"2026-08-01T00:00:00-05:00": "sáb 1 ago, 00:00",
		"2027-02-07T12:00:00-05:00": "dom 7 feb 2027, 12:00",
	} {
		if got := dateWords(at(in), testNow); got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
	if got := dateWords(time.Time{}, testNow); got != "" {
		t.Errorf("no time is %q", got)
	}
}

func TestDueWords(t *testing.T) {
	// testNow is 10:24.
	for left, want := range map[time.Duration][2]string{
		0:                  {"vence ahora", "soon"},
		time.Second:        {"vence ahora", "soon"},
		time.Minute:        {"vence en 1 minuto", "soon"},
		45 * time.Minute:   {"vence en 45 minutos", "soon"},
		time.Hour:          {"vence hoy", "soon"},
		13 * time.Hour:     {"vence hoy", "soon"},
		14 * time.Hour:     {"vence mañana", "soon"},
		37 * time.Hour:     {"vence mañana", "soon"},
		38 * time.Hour:     {"vence en 2 días", ""},
		240 * time.Hour:    {"vence en 10 días", ""},
		-time.Second:       {"vencido hace 1 minuto", "late"},
		-59 * time.Minute:  {"vencido hace 59 minutos", "late"},
		-time.Hour:         {"vencido hace 1 hora", "late"},
		-23 * time.Hour:    {"vencido hace 23 horas", "late"},
		-24 * time.Hour:    {"vencido hace 1 día", "late"},
		-41 * time.Hour:    {"vencido hace 2 días", "late"},
		-48 * time.Hour:    {"vencido hace 2 días", "late"},
		-30000 * time.Hour: {"vencido hace 1.250 días", "late"},
	} {
		due := testNow.Add(left)
		if got := [2]string{dueWords(due, testNow), dueClass(due, testNow)}; got != want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
	if got := dueWords(time.Time{}, testNow); got != "" || dueClass(time.Time{}, testNow) != "" {
		t.Errorf("no due date is %q", got)
	}
}

func TestSizeWords(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "0 bytes", 0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1 kB", 348_120: "348 kB", 999_499: "999 kB", 999_500: "1,0 MB", 1_250_000: "1,2 MB", 52_428_800: "52,4 MB",
	} {
		if got := sizeWords(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"  a\r\n b\t c ": "a b c", "factura\u202Efdp.exe": "facturafdp.exe", "a\x00b": "a b", "\xffñ": "\uFFFDñ", "ñandú": "ñandú", "áéíóúüñ": "áéíóúü…", "a\u2028b": "a b",
	} {
		limit := 100
		if in == "áéíóúüñ" {
			limit = 6
		}
		if got := line(in, limit); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// TestEveryWord: each value of the domain has a Spanish word, so that a new one
// is noticed here first.
func TestEveryWord(t *testing.T) {
	for _, d := range ticket.Dispositions() {
		if w := dispositionWord(d); w == string(d) {
			t.Errorf("disposition %s has no word", d)
		}
	}
	for _, k := range []ticket.LinkKind{ticket.LinkSameMail, ticket.LinkClaimed, ticket.LinkFollows} {
		if linkWord(k) == string(k) {
			t.Errorf("link %s has no word", k)
		}
	}
	for _, c := range ticket.TermCodes() {
		if w := termWord(c); strings.Contains(w, ".") {
			t.Errorf("term %s has no word", c)
		}
	}
	for _, e := range []struct {
		event ticket.Event
		want  string
	}{
		{ticket.Event{Kind: ticket.EventOpened}, "Se abrió el radicado"},
		{ticket.Event{Kind: ticket.EventMessage, To: "auto-reply"}, "Llegó un mensaje: respuesta automática"},
		{ticket.Event{Kind: ticket.EventType, From: "incidente", To: "peticion"}, "Tipo: incidente → petición"},
		{ticket.Event{Kind: ticket.EventPriority, From: "3", To: "1"}, "Prioridad: 3 media → 1 crítica"},
		{ticket.Event{Kind: ticket.EventStatus, From: "nuevo", To: "abierto"}, "Estado: nuevo → abierto"},
		{ticket.Event{Kind: ticket.EventAssignee, To: "ana"}, "Asignado: ana"},
		{ticket.Event{Kind: ticket.EventAssignee, From: "ana"}, "Sin asignar; antes: ana"},
		{ticket.Event{Kind: ticket.EventReview, To: "true"}, "Marcado para revisar"},
		{ticket.Event{Kind: ticket.EventReview, To: "false"}, "Revisado"},
		{ticket.Event{Kind: ticket.EventDue, From: "2026-07-13T10:24:00-05:00 queja", To: "2026-07-28T17:00:00-05:00 peticion.general"}, "Vencimiento: lun 13 jul, 10:24 (queja) → mar 28 jul, 17:00 (petición general)"},
		{ticket.Event{Kind: ticket.EventDue, From: "x", To: "y z"}, "Vencimiento: x → y z"},
		{ticket.Event{Kind: ticket.EventLink, To: "2026-000005"}, "Vinculado con 2026-000005"},
		{ticket.Event{Kind: ticket.EventRelease, From: "x"}, "Salió de cuarentena"},
		{ticket.Event{Kind: ticket.EventCopy, To: "pqrsa"}, "El mismo correo llegó también a pqrsa"},
		{ticket.Event{Kind: ticket.EventMailbox, From: "soporte", To: "pqrsa"}, "Buzón: soporte → pqrsa"},
		{ticket.Event{Kind: "future", From: "a", To: "b"}, "future a b"},
	} {
		if got := eventWords(e.event, testNow); got != e.want {
			t.Errorf("%+v is %q, want %q", e.event, got, e.want)
		}
	}
}

func TestReasonWords(t *testing.T) {
	for in, want := range map[string]string{
		"the customer wrote again":                                                "el cliente volvió a escribir",
		"the reply alone would be priority 1, the ticket is 3":                    "por sí sola, la respuesta tendría prioridad 1; el radicado tiene 3",
		"answers no known mail":                                                   "no responde a un correo conocido",
		"answers a mail of 2026-000005, but 2026-000005 was closed on 2026-01-02": "responde a un correo de 2026-000005, pero 2026-000005 se cerró el 2026-01-02",
		"names 2026-000005 in its subject; the sender takes part in it":           "menciona 2026-000005 en el asunto; el remitente participa en él",
		"names 2026-000005 in its subject, but the sender takes no part in it":    "menciona 2026-000005 en el asunto, pero el remitente no participa en él",
		"something new": "something new",
	} {
		if got := reasonWords(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	lead := ticket.Event{Kind: ticket.EventType, Actor: ticket.Actor{Kind: ticket.ActorLead}, Reason: "answers no known mail"}
	if got := eventReason(lead); got != lead.Reason {
		t.Errorf("a lead's words became %q", got)
	}
}

func TestRefusedWords(t *testing.T) {
	for in, want := range map[string]string{
		"mail of 70000000 bytes: larger than allowed (67108864); only its header is kept, the mail is still on the server": "correo demasiado grande (70000000 bytes o más): solo se conservan los encabezados; el correo sigue en el servidor",
		"mail of more than 5 bytes: larger than allowed; only its header is kept, the mail is still in its file":           "correo demasiado grande (5 bytes o más): solo se conservan los encabezados; el correo sigue en su archivo",
	} {
		if got := reasonWords(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
	if got := eventReason(ticket.Event{Kind: ticket.EventRelease, Reason: ticket.ReasonRequeued, Actor: ticket.Actor{Kind: ticket.ActorLead}}); got != "el correo original se leyó de nuevo y está bien" {
		t.Errorf("requeued: %q", got)
	}
}

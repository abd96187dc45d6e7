package web

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"radicado/ticket"
)

// This file holds the Spanish words of the pages. A value without a word is
// shown as it is stored, so that a new one never hides a ticket.

var (
	weekdays = [...]string{"dom", "lun", "mar", "mié", "jue", "vie", "sáb"}
	months   = [...]string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"}
)

// dateWords writes t in Bogotá as "lun 13 jul, 10:24", with the year where it
// is not now's; "" for the zero time.
func dateWords(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return dayWords(t, now) + t.In(ticket.Bogota).Format(", 15:04")
}

func dayWords(t, now time.Time) string {
	t = t.In(ticket.Bogota)
	s := fmt.Sprintf("%s %d %s", weekdays[t.Weekday()], t.Day(), months[t.Month()-1])
	if t.Year() != now.In(ticket.Bogota).Year() {
		s += " " + strconv.Itoa(t.Year())
	}
	return s
}

// dueWords says how far due is from now: minutes and hours where it is near,
// else calendar days in Bogotá.
func dueWords(due, now time.Time) string {
	left := due.Sub(now)
	days := daysBetween(now, due)
	switch {
	case due.IsZero():
		return ""
	case left <= -24*time.Hour:
		return "vencido hace " + count(max(-days, 1), "día", "días")
	case left <= -time.Hour:
		return "vencido hace " + count(int(-left/time.Hour), "hora", "horas")
	case left < 0:
		return "vencido hace " + count(max(int(-left/time.Minute), 1), "minuto", "minutos")
	case left < time.Minute:
		return "vence ahora"
	case left < time.Hour:
		return "vence en " + count(int(left/time.Minute), "minuto", "minutos")
	case days == 0:
		return "vence hoy"
	case days == 1:
		return "vence mañana"
	}
	return "vence en " + count(days, "día", "días")
}

// dueClass names the style of a due date: "late", "soon" (today or tomorrow) or "".
func dueClass(due, now time.Time) string {
	switch {
	case due.IsZero():
		return ""
	case due.Before(now):
		return "late"
	case daysBetween(now, due) <= 1:
		return "soon"
	}
	return ""
}

// daysBetween counts the midnights in Bogotá from a to b.
func daysBetween(a, b time.Time) int {
	day := func(t time.Time) time.Time {
		y, m, d := t.In(ticket.Bogota).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return int(day(b).Sub(day(a)) / (24 * time.Hour))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes n with points between the thousands.
func thousands(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "." + s[i:]
	}
	return sign + s
}

// sizeWords writes a number of bytes in decimal units.
func sizeWords(n int64) string {
	switch {
	case n < 1000:
		return count(int(max(n, 0)), "byte", "bytes")
	case n < 999_500:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return decimal(float64(n)/1e6, 1) + " MB"
}

func decimal(v float64, places int) string {
	return strings.Replace(strconv.FormatFloat(v, 'f', places, 64), ".", ",", 1)
}

// percent writes a confidence from 0 to 1.
func percent(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*min(max(v, 0), 1))
}

// line makes one line of at most limit runes of words that came by mail:
// control characters become spaces, and those that turn the direction of
// writing, with which "gpj.exe" reads as "exe.jpg", are dropped.
func line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0x200E, r == 0x200F, r == 0x061C:
			return -1
		case unicode.IsControl(r), r == 0x2028, r == 0x2029:
			return ' '
		}
		return r
	}, s)
	return shorten(strings.Join(strings.Fields(s), " "), limit)
}

func typeWord(t ticket.Type) string {
	switch t {
	case ticket.Peticion:
		return "petición"
	case ticket.Apelacion:
		return "apelación"
	}
	return string(t)
}

func termWord(c ticket.TermCode) string {
	switch c {
	case ticket.TermPeticionGeneral:
		return "petición general"
	case ticket.TermPeticionDocumentos:
		return "petición de documentos o información"
	case ticket.TermPeticionConsulta:
		return "consulta sobre materias a cargo"
	case ticket.TermApelacion:
		return "apelación"
	case ticket.TermHabeasConsulta:
		return "consulta de datos personales"
	case ticket.TermHabeasReclamo:
		return "reclamo de datos personales"
	case ticket.TermTutela:
		return "tutela u orden judicial"
	case ticket.TermAutoridad:
		return "requerimiento de autoridad"
	}
	return string(c)
}

// lengthWords writes the length of a term.
func lengthWords(t ticket.Term) string {
	switch {
	case t.Days <= 0:
		return ""
	case t.Unit == ticket.UnitBusinessDays:
		return count(t.Days, "día hábil", "días hábiles")
	case t.Unit == ticket.UnitHours:
		return count(t.Days, "hora", "horas")
	}
	return strconv.Itoa(t.Days) + " " + t.Unit
}

func dispositionWord(d ticket.Disposition) string {
	switch d {
	case ticket.DispositionNew:
		return "mensaje inicial"
	case ticket.DispositionReply:
		return "respuesta"
	case ticket.DispositionAutoReply:
		return "respuesta automática"
	case ticket.DispositionBounce:
		return "devolución"
	case ticket.DispositionBulk:
		return "envío masivo"
	case ticket.DispositionDuplicate:
		return "duplicado"
	case ticket.DispositionCopy:
		return "copia de otro buzón"
	case ticket.DispositionQuarantined:
		return "en cuarentena"
	case ticket.DispositionRefused:
		return "demasiado grande"
	}
	return string(d)
}

func linkWord(k ticket.LinkKind) string {
	switch k {
	case ticket.LinkSameMail:
		return "el mismo correo llegó a otro buzón"
	case ticket.LinkClaimed:
		return "el correo dice pertenecer a este radicado"
	case ticket.LinkFollows:
		return "continúa un radicado cerrado hace tiempo"
	}
	return string(k)
}

func languageWord(code string) string {
	switch code {
	case "es":
		return "español"
	case "en":
		return "inglés"
	case "pt":
		return "portugués"
	}
	return code
}

func sourceWord(source string) string {
	switch source {
	case "rule":
		return "Regla"
	case "model":
		return "Modelo"
	case "mailbox":
		return "Buzón"
	}
	return source
}

func actorWord(a ticket.Actor) string {
	switch a.Kind {
	case ticket.ActorSystem:
		return "el sistema"
	case ticket.ActorCustomer:
		if a.Name == "" {
			return "el cliente"
		}
	}
	return line(a.Name, 100)
}

// valueWord is the Spanish word of a value in an event of kind k.
func valueWord(k ticket.EventKind, value string) string {
	switch k {
	case ticket.EventType:
		return typeWord(ticket.Type(value))
	case ticket.EventPriority:
		if n, err := strconv.Atoi(value); err == nil && ticket.Priority(n).Valid() {
			return value + " " + ticket.Priority(n).String()
		}
	case ticket.EventMessage:
		return dispositionWord(ticket.Disposition(value))
	case ticket.EventLink:
		return value
	}
	return line(value, 200)
}

// eventWords says what happened, without actor, time and reason.
func eventWords(e ticket.Event, now time.Time) string {
	from, to := valueWord(e.Kind, e.From), valueWord(e.Kind, e.To)
	change := func(what string) string {
		if from == "" {
			return what + ": " + to
		}
		return what + ": " + from + " → " + to
	}
	switch e.Kind {
	case ticket.EventOpened:
		return "Se abrió el radicado"
	case ticket.EventMessage:
		return "Llegó un mensaje: " + to
	case ticket.EventType:
		return change("Tipo")
	case ticket.EventPriority:
		return change("Prioridad")
	case ticket.EventStatus:
		return change("Estado")
	case ticket.EventAssignee:
		if e.To == "" {
			return "Sin asignar; antes: " + from
		}
		return change("Asignado")
	case ticket.EventReview:
		if e.To == "true" {
			return "Marcado para revisar"
		}
		return "Revisado"
	case ticket.EventDue:
		return "Vencimiento: " + dueValue(e.From, now) + " → " + dueValue(e.To, now)
	case ticket.EventLink:
		return "Vinculado con " + to
	case ticket.EventRelease:
		return "Salió de cuarentena"
	case ticket.EventCopy:
		return "El mismo correo llegó también a " + to
	case ticket.EventMailbox:
		return change("Buzón")
	}
	return line(string(e.Kind)+" "+e.From+" "+e.To, 200)
}

// dueValue reads what ticket.Apply writes into an event: an instant and a term.
func dueValue(value string, now time.Time) string {
	at, code, _ := strings.Cut(value, " ")
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return line(value, 100)
	}
	return dateWords(t, now) + " (" + termWord(ticket.TermCode(code)) + ")"
}

// reasons are the sentences that the program itself writes as reasons.
var reasons = []struct {
	english *regexp.Regexp
	spanish string
}{
	{regexp.MustCompile(`^the customer wrote again$`), "el cliente volvió a escribir"},
	{regexp.MustCompile(`^the reply alone would be priority (\d), the ticket is (\d)$`), "por sí sola, la respuesta tendría prioridad $1; el radicado tiene $2"},
	{regexp.MustCompile(`^answers no known mail$`), "no responde a un correo conocido"},
	{regexp.MustCompile(`^the same mail came to (\S+)$`), "el mismo correo llegó a $1"},
	{regexp.MustCompile(`^the same mail was read for both mailboxes$`), "el mismo correo se leyó para ambos buzones"},
	{regexp.MustCompile(`^its type belongs to that desk$`), "su tipo corresponde a ese buzón"},
	{regexp.MustCompile(`^the stricter of both mailboxes$`), "el más estricto de ambos buzones"},
	{regexp.MustCompile(`^answers a mail of (\d{4}-\d+)`), "responde a un correo de $1"},
	{regexp.MustCompile(`^names (\d{4}-\d+) in its subject`), "menciona $1 en el asunto"},
	{regexp.MustCompile(`; the sender takes part in it`), "; el remitente participa en él"},
	{regexp.MustCompile(`; the sender is of its customer's organisation`), "; el remitente es de la organización del cliente"},
	{regexp.MustCompile(`, but the sender takes no part in it$`), ", pero el remitente no participa en él"},
	{regexp.MustCompile(`, but (\d{4}-\d+) was closed on (\d{4}-\d\d-\d\d)$`), ", pero $1 se cerró el $2"},
	{regexp.MustCompile(`^was in quarantine: `), "estuvo en cuarentena: "},
	{regexp.MustCompile(`^mail of (more than )?(\d+) bytes: larger than allowed( \(\d+\))?; only its header is kept, `), "correo demasiado grande ($2 bytes o más): solo se conservan los encabezados; "},
	{regexp.MustCompile(`the mail is still on the server$`), "el correo sigue en el servidor"},
	{regexp.MustCompile(`the mail is still in its file$`), "el correo sigue en su archivo"},
	{regexp.MustCompile(`^the mail that it answers is in (\d{4}-\d+) and (\d{4}-\d+)$`), "el correo al que responde está en $1 y en $2"},
}

// reasonWords translates a reason that the program gave; one without a
// translation is shown as it is.
func reasonWords(reason string) string {
	for _, r := range reasons {
		reason = r.english.ReplaceAllString(reason, r.spanish)
	}
	return line(reason, 500)
}

// eventReason is the reason of an event. What a lead wrote stays as it is.
func eventReason(e ticket.Event) string {
	switch {
	case e.Kind == ticket.EventLink:
		return linkWord(ticket.LinkKind(e.Reason))
	case e.Reason == ticket.ReasonRequeued:
		return "el correo original se leyó de nuevo y está bien"
	case e.Actor.Kind == ticket.ActorLead:
		return line(e.Reason, 500)
	}
	return reasonWords(e.Reason)
}

// kindWord names the kind of a file for people.
func kindWord(contentType string) string {
	major, _, _ := strings.Cut(contentType, "/")
	switch {
	case contentType == "application/pdf":
		return "PDF"
	case major == "image":
		return "imagen"
	case major == "audio":
		return "audio"
	case major == "video":
		return "video"
	case contentType == "message/rfc822":
		return "correo"
	case strings.Contains(contentType, "spreadsheet"), strings.Contains(contentType, "excel"), contentType == "text/csv":
		return "hoja de cálculo"
	case strings.Contains(contentType, "wordprocessing"), strings.Contains(contentType, "msword"):
		return "documento"
	case strings.Contains(contentType, "zip"), strings.Contains(contentType, "compressed"), strings.Contains(contentType, "rar"):
		return "archivo comprimido"
	case major == "text":
		return "texto"
	}
	return "archivo"
}

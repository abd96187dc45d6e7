package mime

import (
	"regexp"
	"strings"

	"radicado/ticket"
)

// report is what the walk kept of a delivery report.
type report struct {
	multipart     bool   // the mail is a multipart/report (RFC 6522)
	kind          string // its report-type in lower case
	status        []byte // message/delivery-status
	disposition   []byte // message/disposition-notification
	original      []byte // the start of the returned mail or of its header
	calendarReply bool   // a text/calendar with method=REPLY (RFC 5546 section 3.2.3)
}

// slot returns where the start of such a part is kept; nil if it is not.
func (r *report) slot(mediaType string) *[]byte {
	var p *[]byte
	switch mediaType {
	case "message/delivery-status", "message/global-delivery-status":
		p = &r.status
	case "message/disposition-notification", "message/global-disposition-notification":
		p = &r.disposition
	case "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers":
		p = &r.original
	}
	if p != nil && *p != nil {
		return nil // the first one counts
	}
	return p
}

var (
	autoSubject   = regexp.MustCompile(`^(respuesta automatica|automatic reply|auto(matic)? ?-?reply|auto response|autoreply|fuera de (la )?oficina|out of (the )?office|ausente|ausencia|resposta automatica|leido|entregado|eliminado sin leer|no leido|read|delivered|not read|aceptad[oa]|rechazad[oa]|cancelad[oa]|accepted|declined|tentative|provisional) ?:`)
	bounceSubject = regexp.MustCompile(`no se puede entregar|undeliver(able|ed)|correo no entregado|mensaje no entregado|entrega retrasada|correo devuelto|delivery status notification|delivery (has )?failed|mail delivery (failed|failure|system)|returned mail|returned to sender|failure notice|delivery failure|delayed mail|delivery (is )?delayed|warning: (could not send|message)|nao (foi )?entregue|no entregable|notificacion de estado de entrega|error de entrega|fallo en la entrega|message not delivered|mail could not be delivered`)
	mailerNames   = regexp.MustCompile(`^(mailer-daemon|mailerdaemon|mail-daemon|postmaster|mailer_daemon|mail\.daemon|microsoftexchange[0-9a-f]{20,})@|^(mailer-daemon|postmaster)$`)
)

// classify says whether a machine wrote the mail. Headers decide (RFC 3834
// section 5, RFC 5436 section 2.7.1, RFC 2919); a subject only supports: a
// customer who writes "Fuera de oficina" must not be lost.
func (w *walker) classify(h header, m *ticket.Mail) (ticket.Automatic, *ticket.Bounce) {
	subject := foldLine(m.Subject)
	sender := strings.ToLower(m.From.Address)
	emptyPath := false
	if h.Has("Return-Path") {
		emptyPath = strings.Trim(h.Get("Return-Path"), " \t\r\n") == "<>"
	}
	daemon := mailerNames.MatchString(sender)
	delivery := w.report.multipart && (w.report.kind == "delivery-status" || w.report.kind == "" && w.report.status != nil)
	if delivery || w.report.status != nil && (emptyPath || daemon) {
		b, failed := w.readBounce(h, m)
		if !failed {
			return ticket.AutoReply, nil // "relayed" or "delivered": a receipt
		}
		return ticket.BounceReport, b
	}
	if bounceSubject.MatchString(subject) && (daemon || emptyPath) || h.Get("X-Failed-Recipients") != "" && (daemon || emptyPath) {
		b, _ := w.readBounce(h, m)
		return ticket.BounceReport, b
	}
	if w.report.multipart {
		return ticket.AutoReply, nil // read receipts, feedback reports
	}
	precedence := strings.ToLower(strings.TrimSpace(h.Get("Precedence")))
	switch {
	case h.Get("List-Id") != "", h.Get("List-Unsubscribe") != "", h.Get("List-Post") != "",
		precedence == "bulk", precedence == "list", precedence == "junk":
		// Vacation programs say "bulk" or "junk" too, beside what they are.
		if autoSubmitted(h) == "auto-replied" || autoResponder(h) {
			return ticket.AutoReply, nil
		}
		return ticket.Bulk, nil
	case precedence == "auto_reply", precedence == "auto-reply":
		return ticket.AutoReply, nil
	case autoSubmitted(h) != "", autoResponder(h), emptyPath, daemon:
		return ticket.AutoReply, nil
	case autoSubject.MatchString(subject) && (h.Get("X-Auto-Response-Suppress") != "" || w.report.calendarReply):
		return ticket.AutoReply, nil
	}
	return ticket.NotAutomatic, nil
}

// autoSubmitted returns the keyword of Auto-Submitted, "" for "no" and for none
// (RFC 3834 section 5).
func autoSubmitted(h header) string {
	v := strings.ToLower(strings.TrimSpace(dropComments(h.Get("Auto-Submitted"))))
	v, _, _ = strings.Cut(v, ";")
	v = strings.TrimSpace(v)
	if v == "no" {
		return ""
	}
	return v
}

// autoResponder knows the fields that autoresponders write of old.
func autoResponder(h header) bool {
	for _, k := range []string{"X-Autoreply", "X-Auto-Reply", "X-Autorespond", "X-Autoresponder", "X-Mail-Autoreply", "X-Autoreply-From"} {
		if v := strings.ToLower(strings.TrimSpace(h.Get(k))); h.Has(k) && v != "no" && v != "false" && v != "0" {
			return true
		}
	}
	return strings.EqualFold(strings.TrimSpace(h.Get("X-Precedence")), "auto_reply") ||
		strings.EqualFold(strings.TrimSpace(h.Get("Delivered-To")), "autoresponder")
}

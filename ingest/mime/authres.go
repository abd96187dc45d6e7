package mime

import (
	"strings"

	"radicado/ticket"

	"github.com/emersion/go-msgauth/authres"
)

// authentication reads the topmost Authentication-Results alone: those below it
// may be the sender's own (RFC 8601 section 5).
func authentication(h header, authservID string) ticket.Authentication {
	var a ticket.Authentication
	v := h.Get("Authentication-Results")
	if v == "" || len(v) > 64<<10 {
		return a
	}
	id, results, err := authres.Parse(v)
	if err != nil && len(results) == 0 {
		h.notes.warn("authentication-results", "unreadable Authentication-Results", true)
		return a
	}
	for _, r := range results {
		switch r := r.(type) {
		case *authres.SPFResult:
			if a.SPF == "" {
				a.SPF = result(r.Value)
			}
		case *authres.DKIMResult:
			// Of several signatures one that passes is enough (RFC 6376 section 6.1).
			if a.DKIM == "" || r.Value == authres.ResultPass {
				a.DKIM = result(r.Value)
			}
		case *authres.DMARCResult:
			if a.DMARC == "" {
				a.DMARC = result(r.Value)
			}
		}
	}
	// The identifier may be followed by a version (RFC 8601 section 2.2).
	id, _, _ = strings.Cut(strings.TrimSpace(id), " ")
	a.Trusted = err == nil && authservID != "" && strings.EqualFold(id, authservID)
	return a
}

// result keeps a result a single word.
func result(v authres.ResultValue) string {
	return clip(cleanLine(strings.ToLower(string(v))), 40)
}

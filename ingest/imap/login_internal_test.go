package imap

import (
	"strings"
	"testing"
)

// What a server says of a token is shown in logs: short, on one line, and
// without the rest of its answer.
func FuzzBearerStatus(f *testing.F) {
	f.Add(`{"status":"401","schemes":"bearer","scope":"t0ken"}`)
	f.Add(`{"status":"\n\u0000"}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, challenge string) {
		got := bearerStatus([]byte(challenge))
		if len(got) > 500 || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q", got)
		}
		if got != "no status given" && !strings.HasPrefix(got, `status "`) {
			t.Errorf("%q", got)
		}
	})
}

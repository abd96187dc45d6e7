package oauth

import (
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in a token file, a grant that is taken from it is one line of
// printable ASCII and is read again as it was written.
func FuzzParseGrant(f *testing.F) {
	f.Add("1//refresh-token\n")
	f.Add(`{"refresh_token":"0.AX4A","ends":"2027-01-02T15:04:00Z"}`)
	f.Add(`{"refresh_token":"a b"}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		g, ok := parseGrant([]byte(text))
		if !ok {
			return
		}
		if g.RefreshToken == "" || strings.ContainsAny(g.RefreshToken, " \r\n\x00\x7f") {
			t.Fatalf("took %q", g.RefreshToken)
		}
		path := filepath.Join(t.TempDir(), "token")
		if err := writeGrant(path, g); err != nil {
			t.Fatal(err)
		}
		again, err := readGrant(path)
		if err != nil || again.RefreshToken != g.RefreshToken || !again.Ends.Equal(g.Ends) {
			t.Errorf("written %+v, read %+v, %v", g, again, err)
		}
	})
}

package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxGrant bounds a token file; Microsoft's refresh tokens are of some 2 kB.
const maxGrant = 64 << 10

// grant is what the token file holds.
type grant struct {
	RefreshToken string    `json:"refresh_token"`
	Ends         time.Time `json:"ends,omitzero"` // zero: unknown
}

// readGrant reads a token file: ours, any JSON with a refresh_token, or the
// refresh token alone on a line. Errors never tell what is in it.
func readGrant(path string) (grant, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return grant{}, fmt.Errorf("there is no token file %s yet; log in with `radicado oauth login`", path)
	}
	if err != nil {
		return grant{}, fmt.Errorf("read token file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxGrant+1))
	if err != nil {
		return grant{}, fmt.Errorf("read token file: %w", err)
	}
	g, ok := parseGrant(data)
	if !ok {
		return grant{}, fmt.Errorf("token file %s holds no refresh token; log in with `radicado oauth login`", path)
	}
	return g, nil
}

func parseGrant(data []byte) (grant, bool) {
	if len(data) > maxGrant {
		return grant{}, false
	}
	text := strings.TrimSpace(string(data))
	var g grant
	if strings.HasPrefix(text, "{") {
		if json.Unmarshal(data, &g) != nil {
			return grant{}, false
		}
	} else {
		g.RefreshToken = text
	}
	bad := func(r rune) bool { return r <= ' ' || r > '~' } // RFC 6749 appendix A.17
	if g.RefreshToken == "" || strings.ContainsFunc(g.RefreshToken, bad) {
		return grant{}, false
	}
	return g, true
}

// writeGrant replaces a token file in one step: whoever reads it, also after a
// power cut, sees the old one or the new one.
func writeGrant(path string, g grant) (err error) {
	data, err := json.Marshal(g)
	if err != nil {
		return errors.New("write token file: the grant cannot be written as JSON")
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write token file: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil // it is in place; that the name is on disk cannot be asked for here
	}
	defer d.Close()
	_ = d.Sync() // not every file system can
	return nil
}

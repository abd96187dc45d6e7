package ticket

import (
	"encoding/hex"
	"fmt"
)

// Digest is a SHA-256. The digest of an original is taken over the mail with
// CRLF line ends, since Maildir and .eml files differ from IMAP only there; of
// an attachment, over the decoded content.
type Digest [32]byte

// IsZero reports whether d was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes d as String does.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return fmt.Errorf("digest of %d characters: want %d", len(b), 2*len(d))
	}
	if _, err := hex.Decode(d[:], b); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	return nil
}

package mime

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"

	"radicado/ticket"

	"github.com/jhillyerd/enmime/v2"
)

const maxRepairParts = 200 // part beginnings; enmime's cost grows with their square

// repair reads the mail once more with enmime, which forgives structures that
// go-message refuses. It holds a mail in memory several times over and knows no
// limits, so only a small and flat mail is given to it, and its guessing of
// charsets stays off: it breaks Spanish.
func (w *walker) repair(reopen func() (io.ReadCloser, error)) (seg segment, ok bool) {
	if reopen == nil || w.front.parts > maxRepairParts || w.front.total > w.limits.RepairBytes || w.notes.quarantine != "" {
		return segment{}, false
	}
	src, err := reopen()
	if err != nil {
		w.notes.warn("repair", "the mail could not be read again", true)
		return segment{}, false
	}
	defer func() { _ = src.Close() }()
	raw, err := io.ReadAll(io.LimitReader(src, w.limits.RepairBytes))
	if err != nil || bomb(raw) {
		return segment{}, false
	}
	// A mail that brings the library down would come again after each restart.
	defer func() {
		if r := recover(); r != nil {
			w.notes.warn("repair", "the repair failed", true)
			seg, ok = segment{}, false
		}
	}()
	p := enmime.NewParser(
		enmime.DisableCharacterDetection(true),
		enmime.DisableTextConversion(true),
		enmime.MaxStoredPartErrors(10),
		enmime.SetReadPartErrorPolicy(func(*enmime.Part, error) bool { return true }),
	)
	env, err := p.ReadEnvelope(bytes.NewReader(raw))
	if err != nil || env.Root == nil {
		return segment{}, false
	}
	var attachments []ticket.Attachment
	add := func(parts []*enmime.Part, inline bool) {
		for _, part := range parts {
			name := strings.ToLower(part.ContentType)
			attachments = append(attachments, ticket.Attachment{
				Filename:    clip(decodeWords(part.FileName), 1000),
				ContentType: clip(cleanLine(name), 100),
				ContentID:   messageID(part.ContentID),
				Inline:      inline,
				Size:        int64(len(part.Content)),
				SHA256:      sha256.Sum256(part.Content),
			})
		}
	}
	add(env.Attachments, false)
	add(env.Inlines, true)
	add(env.OtherParts, false)
	seg = segment{
		plain: clip(clean(env.Text), int(w.limits.TextBytes)),
		html:  clip(clean(env.HTML), int(w.limits.HTMLBytes)),
	}
	if seg.empty() && len(attachments) == 0 {
		return segment{}, false
	}
	w.attachments = attachments
	// Nothing is lost after all.
	w.notes.warnings = slices.DeleteFunc(w.notes.warnings, func(x ticket.Warning) bool { return x.Code == "structure" })
	w.notes.warn("repaired", "the structure was repaired; parts may be told apart wrongly", false)
	return seg, true
}

// bomb counts what could be a part or a multipart, boundary or not.
func bomb(raw []byte) bool {
	return bytes.Count(raw, []byte("\n--")) > 20*maxRepairParts ||
		bytes.Count(bytes.ToLower(raw), []byte("multipart/")) > 100
}

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// originalTime bounds how long one original may take to send.
const originalTime = 10 * time.Minute

// original answers with a mail byte for byte. It needs the token, unlike the
// rest of what is read: an original holds attachments, which here may be images
// of fingerprints (sensitive data, Ley 1581 de 2012, art. 5). A browser is told
// to save it, never to show it.
func (h *handler) original(w http.ResponseWriter, r *http.Request) {
	var d ticket.Digest
	if err := d.UnmarshalText([]byte(r.PathValue("digest"))); err != nil {
		h.fail(w, r, errNoPage)
		return
	}
	// A large original takes as long as the client's line needs; the server's
	// deadline for pages does not hold for it.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(originalTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		h.fail(w, r, fmt.Errorf("give original %s its time: %w", d, err))
		return
	}
	blob, err := h.o.Store.OpenBlob(d)
	if errors.Is(err, store.ErrNotFound) {
		h.fail(w, r, errNoOriginal)
		return
	}
	if err != nil {
		h.fail(w, r, fmt.Errorf("open original %s: %w", d, err))
		return
	}
	defer blob.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.String()+`.eml"`)
	if _, err := io.Copy(w, blob); err != nil {
		// The header is out; an aborted connection is the only way left to say
		// that this is not the whole mail.
		h.o.Logger.Error("original not sent whole", "sha256", d.String(), "error", err)
		panic(http.ErrAbortHandler)
	}
}

// Original returns a mail byte for byte; the caller closes it. It needs the
// token. A reader that ends early fails with io.ErrUnexpectedEOF.
func (c *Client) Original(ctx context.Context, d ticket.Digest) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/messages/"+d.String()+"/original", nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.base, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.base, err)
	}
	if resp.StatusCode == okStatus {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var e errorAnswer
	if json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&e) != nil || e.Error == "" {
		e.Error = fmt.Sprintf("%s answered %s", c.base, resp.Status)
	}
	return nil, &APIError{Status: resp.StatusCode, Sentence: e.Error}
}

package web

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"radicado/store"
	"radicado/ticket"
)

// keepOriginal stores bytes as the original of a message.
func keepOriginal(t *testing.T, s *store.Store, raw []byte) ticket.Digest {
	t.Helper()
	d := ticket.Digest(sha256.Sum256(raw))
	w := s.NewBlob(t.Context())
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	blob, err := w.Finish(d)
	if err != nil {
		t.Fatal(err)
	}
	m := ticket.Message{Digest: d, Size: int64(len(raw)), Filings: []ticket.Filing{{
		Mailbox: "soporte", Disposition: ticket.DispositionBulk, ReceivedAt: testNow, StoredAt: testNow, Original: d,
	}}}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.AttachBlob(blob), tx.PutMessage(&m, &ticket.Body{}))
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOriginal(t *testing.T) {
	desk := newDesk(t)
	raw := append([]byte("Subject: <script>alert(1)</script>\r\n\r\n"), bytes.Repeat([]byte("huella\r\n"), 100_000)...)
	d := keepOriginal(t, desk.store, raw)
	srv := httptest.NewServer(desk.handler())
	defer srv.Close()

	r, err := NewClient(srv.URL, testToken, nil).Original(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, raw) {
		t.Errorf("%d bytes, %v; want the %d that were stored", len(got), err, len(raw))
	}

	_, err = NewClient(srv.URL, testToken, nil).Original(t.Context(), ticket.Digest{1})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown digest: %v, want ErrNotFound", err)
	}
	var refused *APIError
	_, err = NewClient(srv.URL, "wrong", nil).Original(t.Context(), d)
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		t.Errorf("a wrong token: %v, want 401", err)
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/messages/"+d.String()+"/original", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="`+d.String()+`.eml"` {
		t.Errorf("Content-Disposition %q: a browser might show it", got)
	}
	if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
}

package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"radicado/store"
	"radicado/ticket"
)

func TestHosts(t *testing.T) {
	d := newDesk(t)
	d.o.Hosts = []string{"mesa.example.com"}
	h := d.handler()
	for host, allowed := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8025": true, "127.9.9.9": true, "localhost": true, "LOCALHOST:8025": true, "localhost.": true, "[::1]:8025": true, "[::1]": true,
		"[::ffff:127.0.0.1]:1": true, "mesa.example.com": true, "Mesa.Example.COM:443": true,
		"": false, "evil.example.net": false, "127.0.0.1.evil.example.net": false, "localhost.evil.example.net": false, "evil.mesa.example.com": false, "10.0.0.1:8025": false,
		"0.0.0.0:8025": false, "2130706433": false, "[::]": false,
	} {
		for _, target := range []string{"/", "/api/v1/stats", "/healthz"} {
			r := httptest.NewRequest(http.MethodGet, target, nil)
			r.Host = host
			want := http.StatusMisdirectedRequest
			if allowed {
				want = http.StatusOK
			}
			if w := ask(h, r); w.Code != want {
				t.Errorf("host %q, %s: status %d, want %d", host, target, w.Code, want)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	h := busyDesk(t).handler()
	for _, target := range []string{"/", "/tickets/2026-000011", "/tickets/0", "/style.css", "/api/v1/stats", "/healthz", "/nothing"} {
		w := get(t, h, target)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-store",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
		body := w.Body.String()
		if strings.Contains(body, " style=") || strings.Contains(body, "<script") {
			t.Errorf("%s holds what the policy forbids", target)
		}
	}
}

// TestLog: one line a request, with the pattern and never what was asked for
// or written.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	d := busyDesk(t)
	d.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h := d.handler()
	get(t, h, "/?text=Pe%C3%B1a")
	get(t, h, "/tickets/2026-000011")
	ask(h, patch("2026-000006", `{"priority":1,"reason":"palabras del cliente"}`))
	ask(h, patch("2026-000006", `{"status":"abierto"}`, header("Authorization", "Bearer a-wrong-secret")))
	for _, want := range []string{
		`method=GET pattern="GET /{$}" status=200 duration=`, `pattern="GET /tickets/{number}" status=200`, `method=PATCH pattern="PATCH /api/v1/tickets/{number}" status=200`,
		"status=401", "ticket=2026-000006 actor=María",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	for _, secret := range []string{"Pe%C3%B1a", "Peña", "Caída", "palabras", testToken, "a-wrong-secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log.String())
		}
	}
}

// TestPanic: a fault of ours is answered, logged, and ends no other request.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	d := newDesk(t)
	n := d.open(sent{mailbox: "soporte", kind: ticket.Incidente, priority: ticket.Media, mail: person("Ana", "ana@example.com")})
	d.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	d.o.Health = func() []MailboxHealth { panic("a customer's words") }
	h := d.handler()
	if w := get(t, h, "/"); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "error interno") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if strings.Contains(log.String(), "a customer's words") || !strings.Contains(log.String(), "guard_test.go") {
		t.Errorf("log: %s", log.String())
	}
	if w := get(t, h, "/tickets/"+n.String()); w.Code != http.StatusOK {
		t.Errorf("afterwards: status %d", w.Code)
	}
}

// TestNothingLeaks: an error that is none of the known ones stays in the log.
func TestNothingLeaks(t *testing.T) {
	p := problemOf(http.ErrBodyNotAllowed)
	if p != errPanic {
		t.Errorf("%+v", p)
	}
	if problemOf(store.ErrClosed) != errAway {
		t.Error("a closed store is no internal error")
	}
}

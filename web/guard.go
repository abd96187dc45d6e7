package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// maxBody bounds the body of a request in bytes; a change is a few hundred.
const maxBody = 64 << 10

// withHeaders sets the fields that keep a page from loading, sending or being
// framed by anything foreign, and from staying in a cache.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := w.Header()
		f.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		f.Set("X-Content-Type-Options", "nosniff")
		f.Set("X-Frame-Options", "DENY") // for browsers that know no frame-ancestors
		f.Set("Referrer-Policy", "no-referrer")
		f.Set("Cross-Origin-Opener-Policy", "same-origin")
		f.Set("Cross-Origin-Resource-Policy", "same-origin")
		f.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// hostChecked refuses requests whose Host is neither a loopback host nor one
// of [Options.Hosts]: after a DNS rebinding it is the attacker's name.
func (h *handler) hostChecked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.hostAllowed(r.Host) {
			h.fail(w, r, errHost)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) hostAllowed(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), "."))
	if name == "localhost" {
		return true
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(h.o.Hosts, func(allowed string) bool { return strings.EqualFold(allowed, name) })
}

// bounded cuts bodies off at maxBody.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// authorized lets a write through only with the token of [Options]. The
// digests are compared, not the words, so that neither content nor length of
// the token shows in the time taken.
func (h *handler) authorized(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(h.o.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		if h.o.Token == "" {
			h.fail(w, r, errReadOnly)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(token))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="radicado"`)
			h.fail(w, r, errToken)
			return
		}
		next(w, r)
	}
}

// logged writes one line a request: never the query, which may hold a
// customer's name, nor any content. A panic is answered and logged with its
// stack instead of ending the daemon's connection in silence.
func (h *handler) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				h.o.Logger.Error("panic while answering", "pattern", r.Pattern, "panic", panicWords(p), "stack", string(debug.Stack()))
				if rec.status == 0 {
					h.fail(rec, r, errPanic)
				}
			}
			h.o.Logger.Info("request", "method", r.Method, "pattern", r.Pattern, "status", rec.status, "duration", time.Since(began))
		}()
		next.ServeHTTP(rec, r)
	})
}

// panicWords names a panic. Only the runtime's own sentences are free of what
// was being read; of others the type must do.
func panicWords(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = okStatus
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"radicado/store"
	"radicado/ticket"
)

// okStatus is the status of an answer that set none.
const okStatus = http.StatusOK

// problem is a refusal with its status, the sentence for programs and the one
// for the leads.
type problem struct {
	status  int
	english string
	spanish string
}

func (p *problem) Error() string { return p.english }

var (
	errNoPage     = &problem{http.StatusNotFound, "there is nothing at this address", "No hay nada en esta dirección."}
	errNoOriginal = &problem{http.StatusNotFound, "there is no original of this digest", "No existe ese correo."}
	errMethod     = &problem{http.StatusMethodNotAllowed, "this address does not take this method", "Esta dirección no admite esa operación."}
	errHost       = &problem{http.StatusMisdirectedRequest, "the Host field names neither a loopback host nor a configured one", "El nombre con el que se pidió esta página no está permitido."}
	errOrigin     = &problem{http.StatusForbidden, "requests from another site change nothing here", "No se admiten cambios pedidos desde otro sitio."}
	errReadOnly   = &problem{http.StatusForbidden, "this server takes no changes: it has no token", "Este servidor no admite cambios."}
	errToken      = &problem{http.StatusUnauthorized, "the bearer token is missing or wrong", "Falta la credencial o no es válida."}
	errMedia      = &problem{http.StatusUnsupportedMediaType, "Content-Type: want application/json", "El contenido debe ser JSON."}
	errTooLarge   = &problem{http.StatusRequestEntityTooLarge, "the request is longer than 64 KiB", "La solicitud es demasiado larga."}
	errPanic      = &problem{http.StatusInternalServerError, "internal error; the server's log tells more", "Ocurrió un error interno. El registro del servidor dice más."}
	errAway       = &problem{http.StatusServiceUnavailable, "the store cannot be reached now; try again", "El almacén no está disponible en este momento. Intente de nuevo."}
)

// badChange is a change that the ticket does not take or that cannot be read.
type badChange struct{ err error }

func (e *badChange) Error() string { return e.err.Error() }
func (e *badChange) Unwrap() error { return e.err }

// problemOf tells what the client is told about err. An error that is none of
// the known ones is internal: its text stays in the log.
func problemOf(err error) *problem {
	var p *problem
	var filter *filterError
	var change *badChange
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &filter):
		return &problem{http.StatusBadRequest, filter.Error(), filter.spanish()}
	case errors.Is(err, store.ErrNotFound):
		return &problem{http.StatusNotFound, "there is no such ticket", "No existe ese radicado."}
	case errors.Is(err, ticket.ErrTransition):
		return &problem{http.StatusConflict, err.Error(), "El radicado no puede pasar a ese estado."}
	case errors.As(err, &change):
		return &problem{http.StatusUnprocessableEntity, change.Error(), "El cambio no es válido."}
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errAway
	}
	return errPanic
}

// fail answers with the problem that err is: as JSON below /api/ and for the
// probes, else as a page. Internal errors are logged with their chain.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError && err != error(p) {
		h.o.Logger.Error("request failed", "method", r.Method, "pattern", r.Pattern, "error", err)
	}
	if isProgram(r.URL.Path) {
		h.writeJSON(w, p.status, errorAnswer{Error: p.english})
		return
	}
	h.render(w, r, p.status, "error", errorPage{
		page:   h.page(titleOf(p.status)),
		Status: p.status, Heading: titleOf(p.status), Sentence: p.spanish,
	})
}

// isProgram reports whether the path is meant for programs, not people.
func isProgram(path string) bool {
	return strings.HasPrefix(path, "/api/") || path == "/healthz" || path == "/readyz"
}

func titleOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "No encontrado"
	case http.StatusBadRequest:
		return "Filtro no válido"
	case http.StatusForbidden, http.StatusUnauthorized, http.StatusMisdirectedRequest:
		return "No permitido"
	case http.StatusServiceUnavailable:
		return "No disponible"
	case http.StatusInternalServerError:
		return "Error interno"
	}
	return "Solicitud no válida"
}

// errorAnswer is the JSON of every error.
type errorAnswer struct {
	Error string `json:"error"` // a sentence in English
}

// errorPage is the page of an error.
type errorPage struct {
	page
	Status            int
	Heading, Sentence string
}

// APIError is an error that the server answered to a [Client]. It is
// [store.ErrNotFound] and [ticket.ErrTransition] to errors.Is where those were
// the cause, so that a caller branches alike with and without a server.
type APIError struct {
	Status   int    // HTTP status
	Sentence string // the server's words
}

func (e *APIError) Error() string { return e.Sentence }

// BadRequest reports whether the request itself was at fault: words that the
// server does not know, or a change that the ticket does not take.
func (e *APIError) BadRequest() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// Is reports whether the answer stands for target.
func (e *APIError) Is(target error) bool {
	switch target {
	case store.ErrNotFound:
		return e.Status == http.StatusNotFound
	case ticket.ErrTransition:
		return e.Status == http.StatusConflict
	case ticket.ErrNoReason:
		return e.Status == http.StatusUnprocessableEntity && strings.Contains(e.Sentence, ticket.ErrNoReason.Error())
	}
	return false
}

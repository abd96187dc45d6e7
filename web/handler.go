package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"radicado/store"
	"radicado/ticket"
)

// Options are what a handler needs. Store and Terms are required.
type Options struct {
	Store         *store.Store
	Terms         ticket.Terms           // reckons the deadline of a corrected ticket
	Token         string                 // bearer token of local operators, needed for every write; "" allows none
	Hosts         []string               // names under which the pages may be asked for, besides loopback ones; without ports
	Version       string                 // shown at the foot of the pages; may be empty
	Logger        *slog.Logger           // nil discards
	Now           func() time.Time       // nil is time.Now
	CriticalPhone string                 // as published; shown with tickets of priority 1; may be empty
	Mailboxes     []string               // the configured mailboxes, to choose from; those with mail are added
	Health        func() []MailboxHealth // how the mailboxes fare; nil if nobody watches them
	Metrics       http.Handler           // answers /metrics; nil: there is no such page
	// Requeue reads the original of a quarantined ticket again; nil: never. Its
	// refusals wrap [ticket.ErrRequeue] or store.ErrNotFound.
	Requeue func(ctx context.Context, n ticket.Number, by ticket.Actor) error
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed style.css
var styleSheet []byte

//go:embed openapi.json
var openAPI []byte

// handler answers requests. It is immutable after NewHandler and shared by all
// of net/http's goroutines.
type handler struct {
	o     Options
	pages map[string]*template.Template
}

// route is one method of one path, as ServeMux writes it.
type route struct {
	method, path string
	serve        http.HandlerFunc
}

// routes lists everything that is served; openapi.json describes those that
// answer JSON, and a test compares the two.
func (h *handler) routes() []route {
	routes := []route{
		{http.MethodGet, "/{$}", h.queue},
		{http.MethodGet, "/tickets/{number}", h.ticket},
		{http.MethodGet, "/unfiled", h.unfiled},
		{http.MethodGet, "/style.css", h.style},
		{http.MethodGet, "/api/v1/stats", h.apiStats},
		{http.MethodGet, "/api/v1/tickets", h.apiTickets},
		{http.MethodGet, "/api/v1/tickets/{number}", h.apiTicket},
		{http.MethodPatch, "/api/v1/tickets/{number}", h.authorized(h.apiChange)},
		{http.MethodPost, "/api/v1/tickets/{number}/requeue", h.authorized(h.apiRequeue)},
		{http.MethodGet, "/api/v1/messages/{digest}/original", h.authorized(h.original)},
		{http.MethodGet, "/api/v1/unfiled", h.apiUnfiled},
		{http.MethodGet, "/api/v1/ledger", h.authorized(h.apiLedger)},
		{http.MethodGet, "/api/v1/openapi.json", h.apiDescription},
		{http.MethodGet, "/healthz", h.healthz},
		{http.MethodGet, "/readyz", h.readyz},
	}
	if h.o.Metrics != nil {
		routes = append(routes, route{http.MethodGet, "/metrics", h.o.Metrics.ServeHTTP})
	}
	return routes
}

// NewHandler returns the handler of all pages and of the API. It fails if a
// required option is missing.
func NewHandler(o Options) (http.Handler, error) {
	h, err := newHandler(o)
	if err != nil {
		return nil, err
	}
	return h.wrapped(), nil
}

func newHandler(o Options) (*handler, error) {
	if o.Store == nil {
		return nil, errors.New("web options: no store")
	}
	if o.Terms == nil {
		return nil, errors.New("web options: no terms")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &handler{o: o, pages: make(map[string]*template.Template)}
	layout, err := template.ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse the layout of the pages: %w", err)
	}
	for _, page := range []string{"queue", "ticket", "unfiled", "error"} {
		t, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("copy the layout for page %s: %w", page, err)
		}
		if h.pages[page], err = t.ParseFS(templateFiles, "templates/"+page+".html"); err != nil {
			return nil, fmt.Errorf("parse page %s: %w", page, err)
		}
	}
	return h, nil
}

// wrapped returns the routes behind the guards, outermost first: log, headers,
// host, origin, body size.
func (h *handler) wrapped() http.Handler {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, r := range h.routes() {
		mux.HandleFunc(r.method+" "+r.path, r.serve)
		methods[r.path] = append(methods[r.path], r.method)
		if r.method == http.MethodGet {
			methods[r.path] = append(methods[r.path], http.MethodHead)
		}
	}
	// Without these, a wrong method would fall to the pattern for unknown paths.
	for _, path := range slices.Sorted(maps.Keys(methods)) {
		allow := strings.Join(methods[path], ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			h.fail(w, r, errMethod)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { h.fail(w, r, errNoPage) })

	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.fail(w, r, errOrigin) }))
	return h.logged(withHeaders(h.hostChecked(origin.Handler(bounded(mux)))))
}

// style serves the style sheet of all pages.
func (h *handler) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleSheet) // a failed write means that the client is gone
}

package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"radicado/store"
	"radicado/ticket"
)

// call asks the API and reads the answer into v.
func call(t *testing.T, h http.Handler, target string, v any) {
	t.Helper()
	w := get(t, h, target)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: status %d, type %q: %s", target, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
}

func TestAPIStats(t *testing.T) {
	d := busyDesk(t)
	var got store.Stats
	call(t, d.handler(), "/api/v1/stats", &got)
	want, err := d.store.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Tickets != 12 || got.Messages != 16 {
		t.Errorf("stats differ:\n%s\n%+v", diff, got)
	}
}

func TestAPITickets(t *testing.T) {
	h := busyDesk(t).handler()
	for query, want := range map[string]string{
		"":                    "11 12 5 2 6 3 4 10 9 7 8 1",
		"sort=number&limit=3": "12 11 10",
		"priority=1":          "11 12",
		"priority=crítica,2":  "11 12 5",
		"status=resuelto":     "1",
		"status=nuevo&status=pendiente&priority=3&sort=due": "2 6 3 4 10 9",
		"type=petición&type=Reclamo":                        "12 2 3",
		"mailbox=pqrsa&sort=number":                         "12 9 8 4 3 2",
		"assignee=lparra":                                   "5 1",
		"assignee=none&priority=2":                          "",
		"due=overdue":                                       "2",
		"due=today&mailbox=pqrsa":                           "12 2 3",
		"due=tomorrow&mailbox=pqrsa":                        "12 2 3 4",
		"due=2026-07-16&mailbox=pqrsa":                      "12 2 3 4",
		"review=true":                                       "3 10",
		"quarantined=true":                                  "10",
		"quarantined=false&review=true":                     "3",
		"text=peticion":                                     "3",
		"text=NANEZ":                                        "1",
		"text=000009":                                       "9",
		"mailbox=nadie":                                     "",
	} {
		t.Run(query, func(t *testing.T) {
			var list TicketList
			call(t, h, "/api/v1/tickets?"+query, &list)
			var got []string
			for _, v := range list.Tickets {
				got = append(got, strings.TrimLeft(strings.TrimPrefix(v.Number.String(), "2026-"), "0"))
			}
			if g := strings.Join(got, " "); g != want {
				t.Errorf("tickets %q, want %q", g, want)
			}
		})
	}
	if body := get(t, h, "/api/v1/tickets?mailbox=nadie").Body.String(); body != "{\"tickets\":[],\"next\":\"\"}\n" {
		t.Errorf("an empty list is %s", body)
	}
}

func TestAPIPaging(t *testing.T) {
	h := busyDesk(t).handler()
	seen := make(map[ticket.Number]bool)
	for after, pages := "", 0; ; pages++ {
		var list TicketList
		call(t, h, "/api/v1/tickets?limit=5&after="+after, &list)
		for _, v := range list.Tickets {
			if seen[v.Number] {
				t.Errorf("%s comes twice", v.Number)
			}
			seen[v.Number] = true
		}
		if after = list.Next; after == "" || pages > 10 {
			break
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d tickets, want 12", len(seen))
	}
}

func TestAPITicket(t *testing.T) {
	d := busyDesk(t)
	var got ticket.Detail
	call(t, d.handler(), "/api/v1/tickets/2026-000011", &got)
	want, err := d.store.Detail(context.Background(), ticket.Number{Year: 2026, Seq: 11})
	if err != nil {
		t.Fatal(err)
	}
	wantJSON, _ := json.Marshal(want)
	gotJSON, _ := json.Marshal(got)
	if diff := cmp.Diff(string(wantJSON), string(gotJSON)); diff != "" {
		t.Error(diff)
	}
	if len(got.Thread) != 2 || len(got.Events) != 3 || !strings.HasPrefix(got.Thread[0].Mail.NewText, "Buenos días") {
		t.Errorf("thread %d, events %d", len(got.Thread), len(got.Events))
	}
}

// patch builds a change as an operator's command does.
func patch(number, body string, edit ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPatch, "http://localhost:8025/api/v1/tickets/"+number, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+testToken)
	r.Header.Set(ActorHeader, "María")
	for _, e := range edit {
		e(r)
	}
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
}

func TestAPIChange(t *testing.T) {
	d := busyDesk(t)
	h := d.handler()
	w := ask(h, patch("2026-000006", `{"type":"reclamo","priority":2,"status":"abierto","assignee":"lparra","review":true,"reason":"es un reclamo"}`))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var got ticket.Detail
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != ticket.Reclamo || got.Priority != ticket.Alta || got.Status != ticket.Abierto || got.Assignee != "lparra" || !got.Review || got.Term.Code != ticket.TermReclamo {
		t.Errorf("the ticket is %+v", got.Ticket)
	}
	last := got.Events[len(got.Events)-1]
	if last.Actor != (ticket.Actor{Kind: ticket.ActorLead, Name: "María"}) || last.Reason != "es un reclamo" || !last.At.Equal(testNow) {
		t.Errorf("the last event is %+v", last)
	}
	stored, err := d.store.Detail(context.Background(), got.Number)
	if err != nil || len(stored.Events) != len(got.Events) || stored.Type != ticket.Reclamo {
		t.Errorf("stored: %+v, %v", stored.Ticket, err)
	}
	// Once more, nothing changes and nothing is recorded.
	w = ask(h, patch("2026-000006", `{"type":"reclamo","assignee":"lparra"}`))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.Events) != len(stored.Events) {
		t.Errorf("repeated: status %d, %d events, want %d", w.Code, len(got.Events), len(stored.Events))
	}
}

func TestAPIErrors(t *testing.T) {
	d := busyDesk(t)
	h := d.handler()
	readOnly := *d
	readOnly.o.Token = ""
	const one = "2026-000004"
	plain := func(method, target string) *http.Request {
		return httptest.NewRequest(method, "http://127.0.0.1"+target, nil)
	}
	for name, c := range map[string]struct {
		request *http.Request
		handler http.Handler
		status  int
		says    string
	}{
		"unknown ticket":          {plain("GET", "/api/v1/tickets/2026-999999"), h, 404, "no such ticket"},
		"no number":               {plain("GET", "/api/v1/tickets/26-1"), h, 404, "no such ticket"},
		"no address":              {plain("GET", "/api/v1/nothing"), h, 404, "nothing at this address"},
		"filter":                  {plain("GET", "/api/v1/tickets?status=nueva"), h, 400, `status "nueva": want one of nuevo, abierto, pendiente, resuelto, cerrado`},
		"parameter":               {plain("GET", "/api/v1/tickets?estado=nuevo"), h, 400, `parameter "estado": want one of status, type`},
		"position":                {plain("GET", "/api/v1/tickets?after=AAAA"), h, 400, `after "AAAA": want the next of the page before`},
		"query":                   {plain("GET", "/api/v1/tickets?text=%zz"), h, 400, "percent-encoded"},
		"method":                  {plain("DELETE", "/api/v1/tickets/"+one), h, 405, "method"},
		"post":                    {plain("POST", "/api/v1/tickets"), h, 405, "method"},
		"no token":                {patch(one, `{"status":"abierto"}`, header("Authorization", "")), h, 401, "token"},
		"wrong token":             {patch(one, `{"status":"abierto"}`, header("Authorization", "Bearer "+testToken+"x")), h, 401, "token"},
		"empty token":             {patch(one, `{"status":"abierto"}`, header("Authorization", "Bearer ")), h, 401, "token"},
		"basic":                   {patch(one, `{"status":"abierto"}`, header("Authorization", "Basic "+testToken)), h, 401, "token"},
		"no writes here":          {patch(one, `{"status":"abierto"}`), readOnly.handler(), 403, "no changes"},
		"no writes, empty token":  {patch(one, `{"status":"abierto"}`, header("Authorization", "Bearer ")), readOnly.handler(), 403, "no changes"},
		"foreign site":            {patch(one, `{"status":"abierto"}`, header("Sec-Fetch-Site", "cross-site")), h, 403, "another site"},
		"foreign origin":          {patch(one, `{"status":"abierto"}`, header("Origin", "https://example.net")), h, 403, "another site"},
		"no actor":                {patch(one, `{"status":"abierto"}`, header(ActorHeader, "")), h, 422, ActorHeader},
		"long actor":              {patch(one, `{"status":"abierto"}`, header(ActorHeader, strings.Repeat("a", 101))), h, 422, ActorHeader},
		"actor no UTF-8":          {patch(one, `{"status":"abierto"}`, header(ActorHeader, "\xff")), h, 422, ActorHeader},
		"form":                    {patch(one, `status=abierto`, header("Content-Type", "application/x-www-form-urlencoded")), h, 415, "application/json"},
		"no JSON":                 {patch(one, `{"status"`), h, 422, "one JSON object"},
		"unknown member":          {patch(one, `{"state":"abierto"}`), h, 422, "state"},
		"two values":              {patch(one, `{"status":"abierto"}{}`), h, 422, "more than one value"},
		"nothing asked":           {patch(one, `{"reason":"x"}`), h, 422, "at least one of"},
		"too long":                {patch(one, `{"reason":"`+strings.Repeat("a", maxBody)+`"}`), h, 413, "64 KiB"},
		"long assignee":           {patch(one, `{"assignee":"`+strings.Repeat("a", 101)+`"}`), h, 422, "assignee"},
		"control in reason":       {patch(one, `{"review":true,"reason":"a\u0000b"}`), h, 422, "reason"},
		"unknown ticket, changed": {patch("2026-999999", `{"status":"abierto"}`), h, 404, "no such ticket"},
		"no number, changed":      {patch("x", `{"status":"abierto"}`), h, 404, "no such ticket"},
		"back to nuevo":           {patch("2026-000006", `{"status":"nuevo"}`), h, 409, "from pendiente to nuevo"},
		"no reason":               {patch(one, `{"priority":1}`), h, 422, "reason is needed"},
		"bad type":                {patch(one, `{"type":"x","reason":"y"}`), h, 422, `type "x": want one of incidente`},
		"bad status":              {patch(one, `{"status":"x"}`), h, 422, `status "x": want one of nuevo`},
		"bad priority":            {patch(one, `{"priority":9,"reason":"y"}`), h, 422, "want 1 to 4"},
		"bad term":                {patch(one, `{"term":"x","reason":"y"}`), h, 422, `term "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(c.handler, c.request)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			var answer map[string]string
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer) != 1 || !strings.Contains(answer["error"], c.says) {
				t.Errorf("answer %s does not say %q", w.Body, c.says)
			}
			if c.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate (RFC 9110 section 11.6.1)")
			}
			if c.status == 405 && !strings.Contains(w.Header().Get("Allow"), "GET") {
				t.Errorf("Allow: %q (RFC 9110 section 15.5.6)", w.Header().Get("Allow"))
			}
		})
	}
	// None of the refusals has left a trace.
	got, err := d.store.Detail(context.Background(), ticket.Number{Year: 2026, Seq: 4})
	if err != nil || got.Status != ticket.Nuevo || len(got.Events) != 1 {
		t.Errorf("the ticket is %s with %d events, %v", got.Status, len(got.Events), err)
	}
}

func TestProbes(t *testing.T) {
	d := newDesk(t)
	d.o.Health = func() []MailboxHealth {
		return []MailboxHealth{{Mailbox: "soporte", Connected: true, Since: testNow}, {Mailbox: "pqrsa", Error: "refused"}}
	}
	h := d.handler()
	if w := get(t, h, "/healthz"); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("healthz: %d %s", w.Code, w.Body)
	}
	var ready Readiness
	call(t, h, "/readyz", &ready)
	if !ready.Ready || ready.Version != "0.1-test" || len(ready.Mailboxes) != 2 || ready.Mailboxes[1].Error != "refused" {
		t.Errorf("readyz: %+v", ready)
	}
}

// TestClosedStore: the process lives, yet nothing can be read.
func TestClosedStore(t *testing.T) {
	s, err := store.Open(t.TempDir()+"/desk.db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHandler(Options{Store: s, Terms: testTerms, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{
		"/healthz": 200, "/readyz": 503, "/api/v1/stats": 503, "/api/v1/tickets": 503, "/api/v1/tickets/2026-000001": 503, "/": 503, "/unfiled": 503, "/tickets/2026-000001": 503,
	} {
		if w := get(t, h, target); w.Code != want {
			t.Errorf("%s: status %d, want %d: %s", target, w.Code, want, w.Body)
		}
	}
	if w := ask(h, patch("2026-000001", `{"status":"abierto"}`)); w.Code != 503 {
		t.Errorf("change: status %d: %s", w.Code, w.Body)
	}
}

// TestMetricsPage holds that metrics are served behind the same guards, and not
// at all where nobody gives them.
func TestMetricsPage(t *testing.T) {
	d := newDesk(t)
	get := func(host string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host = host
		d.handler().ServeHTTP(w, r)
		return w.Code
	}
	if code := get("localhost"); code != http.StatusNotFound {
		t.Errorf("without metrics: %d", code)
	}
	d.o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	if code := get("localhost"); code != http.StatusOK {
		t.Errorf("with metrics: %d", code)
	}
	if code := get("evil.example"); code != http.StatusMisdirectedRequest {
		t.Errorf("by a foreign name: %d", code)
	}
}

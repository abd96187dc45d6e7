package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"radicado/store"
	"radicado/ticket"
)

func TestPages(t *testing.T) {
	busy, empty := busyDesk(t), newDesk(t)
	busy.o.Health = func() []MailboxHealth {
		return []MailboxHealth{
			{Mailbox: "soporte", Connected: true, Since: testNow.Add(-time.Hour)},
			{Mailbox: "pqrsa", Since: testNow.Add(-9 * time.Minute), Error: "connection refused"},
		}
	}
	for _, c := range []struct {
		golden string
		desk   *desk
		target string
		status int
	}{
		{"queue.html", busy, "/", 200},
		{"queue-filtered.html", busy, "/?status=nuevo,abierto,pendiente&priority=2,3&due=tomorrow&text=PETICION&sort=due&mailbox=pqrsa", 200},
		{"queue-nothing.html", busy, "/?text=" + url.QueryEscape("no hay tal cosa"), 200},
		{"queue-empty.html", empty, "/", 200},
		{"ticket.html", busy, "/tickets/2026-000011", 200},
		{"ticket-done.html", busy, "/tickets/2026-000001", 200},
		{"unfiled.html", busy, "/unfiled", 200},
		{"unfiled-empty.html", empty, "/unfiled", 200},
		{"error-not-found.html", busy, "/tickets/2026-999999", 404},
		{"error-filter.html", busy, "/?priority=5", 400},
	} {
		t.Run(c.golden, func(t *testing.T) {
			w := get(t, c.desk.handler(), c.target)
			if w.Code != c.status || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: status %d, type %q", c.target, w.Code, w.Header().Get("Content-Type"))
			}
			golden(t, c.golden, w.Body.String())
		})
	}
}

// TestRefresh: only the page that everybody leaves open asks again by itself;
// a search or a page further on must not jump under the reader.
func TestRefresh(t *testing.T) {
	h := busyDesk(t).handler()
	for target, want := range map[string]bool{
		"/": true, "/?status=&text=&due=": true, "/?status=nuevo": false, "/?sort=due": false, "/tickets/2026-000001": false, "/unfiled": false,
	} {
		if got := strings.Contains(get(t, h, target).Body.String(), `http-equiv="refresh" content="15"`); got != want {
			t.Errorf("%s refreshes: %t, want %t", target, got, want)
		}
	}
}

// TestHostileMail: nothing that came by mail is ever markup, wherever it shows.
func TestHostileMail(t *testing.T) {
	d := newDesk(t)
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)><!--`
	hostile := ticket.Mail{
		From: ticket.Address{Name: evil + "name", Address: evil + "@example.com"}, To: []ticket.Address{{Name: evil, Address: evil}}, Cc: []ticket.Address{{Name: evil}},
		Subject: evil + "subject", Language: evil, Quarantine: evil + "quarantine",
		Attachments:    []ticket.Attachment{{Filename: evil + "file\u202Efdp.exe", ContentType: evil, Size: -1}},
		Authentication: ticket.Authentication{SPF: evil, DKIM: evil, DMARC: evil},
		Warnings:       []ticket.Warning{{Code: evil, Detail: evil}},
		Bounce:         &ticket.Bounce{Recipient: evil, Status: evil, Diagnostic: evil},
		HTML:           "<b>never rendered</b>",
	}
	n := d.open(sent{mailbox: "soporte", kind: ticket.Incidente, priority: ticket.Critica, mail: hostile, newText: evil + "new", text: evil + "whole", review: evil,
		reasons: []ticket.Reason{{Source: evil, Name: evil, Evidence: evil}}})
	d.change(n, 0, ticket.Change{Assignee: ptr(evil), Priority: ptr(ticket.Alta), Reason: evil})
	d.unfiled(ticket.DispositionBounce, sent{mailbox: "pqrsa", mail: hostile})
	d.o.CriticalPhone = evil
	d.o.Health = func() []MailboxHealth { return []MailboxHealth{{Mailbox: evil, Error: evil}} }
	h := d.handler()
	q := url.QueryEscape(evil)
	tag := regexp.MustCompile(`(?i)<(script|img|b>never|!--)`)
	for target, shown := range map[string]string{
		"/": "subject", "/?text=" + q: "", "/?status=" + q: "", "/?due=" + q: "", "/?after=" + q: "", "/?" + q + "=1": "", "/?mailbox=" + q + "&assignee=" + q: "",
		"/tickets/" + n.String(): "whole", "/tickets/" + url.PathEscape(evil): "", "/unfiled": "subject", "/" + url.PathEscape(evil): "",
	} {
		body := get(t, h, target).Body.String()
		if m := tag.FindString(body); m != "" {
			t.Errorf("%s holds %q unescaped:\n%s", target, m, body)
		}
		if !strings.Contains(body, shown) {
			t.Errorf("%s does not show %q", target, shown)
		}
		if strings.Contains(body, "\u202E") {
			t.Errorf("%s lets a name turn the direction of writing", target)
		}
	}
	for _, target := range []string{"/api/v1/tickets", "/api/v1/tickets/" + n.String()} {
		w := get(t, h, target)
		if strings.Contains(w.Body.String(), "<script") || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
}

// TestLongThread: a page stays bounded however much was written.
func TestLongThread(t *testing.T) {
	d := newDesk(t)
	n := d.open(sent{mailbox: "soporte", ago: time.Hour, kind: ticket.Incidente, priority: ticket.Media, mail: about(person("Ana", "ana@example.com"), strings.Repeat("largo ", 5000)),
		newText: strings.Repeat("ñ", 60<<10), text: strings.Repeat("á", 1<<20)})
	for i := range 12 {
		d.reply(n, sent{ago: time.Duration(i) * time.Second, priority: ticket.Media, mail: person("Ana", "ana@example.com"), newText: "corto", text: strings.Repeat("é", 1<<20)})
	}
	body := get(t, d.handler(), "/tickets/"+n.String()).Body.String()
	if len(body) > maxThreadText+(256<<10) {
		t.Errorf("the page has %d bytes", len(body))
	}
	if got := strings.Count(body, "El texto es muy largo"); got != 13 {
		t.Errorf("%d messages say that they are cut, want 13", got)
	}
	if strings.Contains(body, "\uFFFD") {
		t.Error("a text was cut within a rune")
	}
}

// TestPaging: following the links from page to page meets every ticket once, in
// every order and under a filter.
func TestPaging(t *testing.T) {
	d := newDesk(t)
	const tickets = 23
	for i := range tickets {
		d.open(sent{mailbox: []string{"soporte", "pqrsa"}[i%2], ago: time.Duration(i%5) * time.Hour, kind: ticket.Types()[i%7], priority: ticket.Priorities()[i%4],
			mail: about(person("Ana", "ana@example.com"), fmt.Sprintf("asunto %d", i))})
	}
	h := d.handler()
	row := regexp.MustCompile(`<th scope="row" class="c-number"><a href="/tickets/([0-9-]+)">`)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	for query, want := range map[string]int{
		"limit=5": tickets, "limit=5&sort=due": tickets, "limit=5&sort=number": tickets, "limit=2&mailbox=pqrsa": tickets / 2, "limit=5&text=asunto": tickets, "limit=23": tickets,
	} {
		seen := make(map[string]bool)
		target := "/?" + query
		for pages := 0; target != ""; pages++ {
			if pages > tickets {
				t.Fatalf("%s: the pages do not end", query)
			}
			body := get(t, h, target).Body.String()
			for _, m := range row.FindAllStringSubmatch(body, -1) {
				if seen[m[1]] {
					t.Errorf("%s: %s shows twice", query, m[1])
				}
				seen[m[1]] = true
			}
			target = ""
			if m := next.FindStringSubmatch(body); m != nil {
				target = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d tickets, want %d", query, len(seen), want)
		}
	}
}

func TestStyleSheet(t *testing.T) {
	w := get(t, newDesk(t).handler(), "/style.css")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || w.Body.Len() != len(styleSheet) {
		t.Errorf("status %d, type %q, %d bytes", w.Code, w.Header().Get("Content-Type"), w.Body.Len())
	}
	if strings.Contains(string(styleSheet), "url(") || strings.Contains(string(styleSheet), "@import") {
		t.Error("the style sheet loads something")
	}
}

func TestOptionsAreRequired(t *testing.T) {
	d := newDesk(t)
	for _, o := range []Options{{}, {Store: d.store}, {Terms: testTerms}, {Store: (*store.Store)(nil), Terms: testTerms}} {
		if _, err := NewHandler(o); err == nil {
			t.Errorf("no error for %+v", o)
		}
		if _, err := NewServer(o); err == nil {
			t.Errorf("no error of the server for %+v", o)
		}
	}
	if _, err := NewHandler(Options{Store: d.store, Terms: testTerms}); err != nil {
		t.Error(err)
	}
}

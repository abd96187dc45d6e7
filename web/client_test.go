package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"radicado/store"
	"radicado/ticket"
)

func TestClient(t *testing.T) {
	d := busyDesk(t)
	server := httptest.NewServer(d.handler())
	defer server.Close()
	ctx := context.Background()
	c := NewClient(server.URL+"/", testToken, server.Client())

	stats, err := c.Stats(ctx)
	if err != nil || stats.Tickets != 12 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	list, err := c.Tickets(ctx, url.Values{"sort": {"number"}, "limit": {"2"}})
	if err != nil || len(list.Tickets) != 2 || list.Next == "" {
		t.Errorf("tickets: %+v, %v", list, err)
	}
	if list, err = c.Tickets(ctx, nil); err != nil || len(list.Tickets) != 12 {
		t.Errorf("all tickets: %d, %v", len(list.Tickets), err)
	}
	n := ticket.Number{Year: 2026, Seq: 11}
	got, err := c.Detail(ctx, n)
	if err != nil || got.Number != n || len(got.Thread) != 2 {
		t.Errorf("detail: %+v, %v", got.View, err)
	}
	got, err = c.Change(ctx, n, ticket.Change{Status: ptr(ticket.Abierto), Assignee: ptr("ana")}, "Ñáñez")
	if err != nil || got.Status != ticket.Abierto || got.Events[len(got.Events)-1].Actor.Name != "Ñáñez" {
		t.Errorf("change: %+v, %v", got.View, err)
	}
	stored, err := d.store.Detail(ctx, n)
	if diff := cmp.Diff(stored.Events, got.Events, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); err != nil || diff != "" {
		t.Errorf("events: %v\n%s", err, diff)
	}
	if got, err = c.Change(ctx, n, ticket.Change{Assignee: ptr("")}, "ana"); err != nil || got.Assignee != "" {
		t.Errorf("taken from everybody: %q, %v", got.Assignee, err)
	}
}

func TestClientErrors(t *testing.T) {
	d := busyDesk(t)
	server := httptest.NewServer(d.handler())
	defer server.Close()
	ctx := context.Background()
	c := NewClient(server.URL, testToken, server.Client())
	n := ticket.Number{Year: 2026, Seq: 6}

	_, err := c.Detail(ctx, ticket.Number{Year: 2026, Seq: 999})
	if !errors.Is(err, store.ErrNotFound) || err.Error() != "there is no such ticket" {
		t.Errorf("unknown ticket: %v", err)
	}
	_, err = c.Change(ctx, n, ticket.Change{Status: ptr(ticket.Nuevo)}, "ana")
	if !errors.Is(err, ticket.ErrTransition) || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "from pendiente to nuevo") {
		t.Errorf("transition: %v", err)
	}
	var answered *APIError
	if _, err = c.Tickets(ctx, url.Values{"sort": {"x"}}); !errors.As(err, &answered) || answered.Status != http.StatusBadRequest || err.Error() != `sort "x": want one of queue, due, number` {
		t.Errorf("filter: %v", err)
	}
	if _, err = NewClient(server.URL, "x", server.Client()).Change(ctx, n, ticket.Change{Review: ptr(true)}, "ana"); !errors.As(err, &answered) || answered.Status != http.StatusUnauthorized {
		t.Errorf("token: %v", err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	if _, err = NewClient(other.URL, "", nil).Stats(ctx); err == nil || !strings.Contains(err.Error(), "answered 404") {
		t.Errorf("another server: %v", err)
	}
	other.Close()
	if _, err = NewClient(other.URL, "", nil).Stats(ctx); err == nil || !strings.Contains(err.Error(), other.URL) {
		t.Errorf("no server: %v", err)
	}
	if _, err = NewClient("::", "", nil).Stats(ctx); err == nil {
		t.Error("an address that is none raises no error")
	}
}

// TestServe: the server answers while the context lasts; then it lets the
// request under way finish, and no goroutine stays behind.
func TestServe(t *testing.T) {
	d := newDesk(t)
	ignore := goleak.IgnoreCurrent()
	entered, leave := make(chan struct{}), make(chan struct{})
	d.o.Health = func() []MailboxHealth {
		close(entered)
		<-leave
		return nil
	}
	s, err := NewServer(d.o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()

	hc := &http.Client{Transport: &http.Transport{}}
	c := NewClient("http://"+l.Addr().String(), testToken, hc)
	if _, err := c.Stats(context.Background()); err != nil {
		t.Error(err)
	}
	answered := make(chan int, 1)
	go func() {
		resp, err := hc.Get("http://" + l.Addr().String() + "/readyz")
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-entered
	stop()
	select {
	case err := <-served:
		t.Errorf("ended before the request under way: %v", err)
	default:
	}
	close(leave)
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the request under way got status %d", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := c.Stats(context.Background()); err == nil {
		t.Error("answered after the end")
	}
	hc.CloseIdleConnections()
	goleak.VerifyNone(t, ignore)
}

// TestServeFails: a listener that is closed already is an error, not silence.
func TestServeFails(t *testing.T) {
	s, err := NewServer(newDesk(t).o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Serve(context.Background(), l); err == nil {
		t.Error("no error")
	}
}

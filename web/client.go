package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"radicado/store"
	"radicado/ticket"
)

// maxAnswer bounds what a client reads of an answer, in bytes: a thread of
// long mails has tens of megabytes.
const maxAnswer = 256 << 20

// Client speaks the API of a running daemon. It may be used by several
// goroutines. Its errors are [APIError] where the server answered one.
type Client struct {
	base, token string
	http        *http.Client
}

// NewClient returns a client of the server at baseURL, such as
// "http://127.0.0.1:8025". The token is needed for changes, originals and the
// ledger. A nil hc is
// http.DefaultClient.
func NewClient(baseURL, token string, hc *http.Client) *Client {
	if hc == nil {
		hc = http.DefaultClient
	}
	return &Client{base: strings.TrimRight(baseURL, "/"), token: token, http: hc}
}

// Stats returns the server's counts.
func (c *Client) Stats(ctx context.Context) (store.Stats, error) {
	var s store.Stats
	err := c.do(ctx, http.MethodGet, "/api/v1/stats", nil, "", &s)
	return s, err
}

// Ready returns the server's own account of itself and its mailboxes.
func (c *Client) Ready(ctx context.Context) (Readiness, error) {
	var r Readiness
	err := c.do(ctx, http.MethodGet, "/readyz", nil, "", &r)
	return r, err
}

// Tickets returns one page of the queue; the parameters are those of
// [ParseFilter].
func (c *Client) Tickets(ctx context.Context, q url.Values) (TicketList, error) {
	var list TicketList
	path := "/api/v1/tickets"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	err := c.do(ctx, http.MethodGet, path, nil, "", &list)
	return list, err
}

// Detail returns one ticket with its thread and history.
func (c *Client) Detail(ctx context.Context, n ticket.Number) (ticket.Detail, error) {
	var d ticket.Detail
	err := c.do(ctx, http.MethodGet, "/api/v1/tickets/"+n.String(), nil, "", &d)
	return d, err
}

// Change asks for a change on behalf of actor, a login of 1 to 100 characters,
// and returns the ticket as it is then.
func (c *Client) Change(ctx context.Context, n ticket.Number, change ticket.Change, actor string) (ticket.Detail, error) {
	var d ticket.Detail
	body, err := json.Marshal(change)
	if err != nil {
		return d, fmt.Errorf("marshal the change of ticket %s: %w", n, err)
	}
	err = c.do(ctx, http.MethodPatch, "/api/v1/tickets/"+n.String(), body, actor, &d)
	return d, err
}

// do sends one request and reads its answer into v.
func (c *Client) do(ctx context.Context, method, path string, body []byte, actor string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(ActorHeader, actor)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("read the answer of %s: longer than %d bytes", c.base, maxAnswer)
	}
	if resp.StatusCode != okStatus {
		var e errorAnswer
		if json.Unmarshal(answer, &e) != nil || e.Error == "" {
			e.Error = fmt.Sprintf("%s answered %s", c.base, resp.Status)
		}
		return &APIError{Status: resp.StatusCode, Sentence: e.Error}
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return nil
}

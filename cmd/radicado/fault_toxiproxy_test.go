package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"radicado/ingest/imap/dovecottest"
)

// line is a network between the daemon and the server, one of each mailbox.
type line struct {
	*toxiproxy.Proxy
}

func newLine(t *testing.T, name, upstream string) line {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := line{toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

// toxic is one of toxiproxy's, and what it is told.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`
}

// down is a toxic upon what the server sends.
func down(name string, attributes map[string]int) toxic {
	return toxic{Type: name, Stream: "downstream", Attributes: attributes}
}

func (l line) poison(t *testing.T, toxics []toxic) {
	t.Helper()
	for _, x := range toxics {
		raw, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Toxics.AddToxicJson(strings.NewReader(string(raw))); err != nil {
			t.Fatalf("%s: %v", x.Type, err)
		}
	}
}

// saidOf reports whether a line of the log about the mailbox has the words.
func saidOf(log, mailbox, words string) bool {
	for l := range strings.Lines(log) {
		if strings.Contains(l, "mailbox="+mailbox) && strings.Contains(l, words) {
			return true
		}
	}
	return false
}

// TestFaultToxiproxy lets one daemon live through what happens to a network.
// Each fault ends as soon as it has struck a mailbox, or with the last mail if
// it only slows; then all is stored without any help.
func TestFaultToxiproxy(t *testing.T) {
	t.Parallel()
	server := dovecottest.Start(t, faultMailboxes...)
	lines := map[string]line{}
	for _, m := range faultMailboxes {
		lines[m] = newLine(t, m, server.TLSAddr())
	}
	d := newFaultDeskThrough(t, server, func(m string) string { return lines[m].Listen }, "seen", "", "timeout = \"2s\"\n")
	d.mustDeliver(t, 5, 0)
	p := d.start(t)
	d.waitStored(t, p)

	for _, fault := range []struct {
		name    string
		toxics  []toxic
		off     bool   // the line does not take connections
		strikes string // what the log says of it; "" if the daemon must bear it
	}{
		{name: "cut within a mail", toxics: []toxic{down("limit_data", map[string]int{"bytes": 100_000})}, strikes: "before the end of the mail"},
		{name: "black hole", toxics: []toxic{down("timeout", map[string]int{"timeout": 0})}, strikes: "the server sends nothing"},
		{name: "reset", toxics: []toxic{down("reset_peer", map[string]int{"timeout": 20})}, strikes: "connection reset by peer"},
		{name: "down", off: true, strikes: "connection refused"},
		{name: "latency", toxics: []toxic{
			down("latency", map[string]int{"latency": 80, "jitter": 60}),
			{Type: "latency", Stream: "upstream", Attributes: map[string]int{"latency": 80, "jitter": 60}},
		}},
		{name: "drip", toxics: []toxic{
			down("slicer", map[string]int{"average_size": 700, "size_variation": 300, "delay": 200}),
			down("bandwidth", map[string]int{"rate": 400}), // kB/s
		}},
	} {
		from, began := len(p.text()), time.Now()
		for _, l := range lines {
			if fault.off {
				l.Stop()
			}
			l.poison(t, fault.toxics)
		}
		d.mustDeliver(t, 2, 250_000)
		d.mustDeliver(t, 4, 0)
		if fault.strikes == "" {
			d.waitStored(t, p)
			if log := p.text()[from:]; strings.Contains(log, "session ended") {
				t.Errorf("%s: a slow network was given up:\n%s", fault.name, tail(log))
			}
		}
		// Not both at once: the third failure at one mail puts it into quarantine.
		sick := maps.Clone(lines)
		within(t, faultLimit, fault.name+" has struck both mailboxes", func() bool {
			for m, l := range sick {
				if fault.strikes != "" && !saidOf(p.text()[from:], m, fault.strikes) {
					continue
				}
				l.Toxics.ResetToxics(t.Context())
				if fault.off {
					if err := l.Start(); err != nil {
						t.Fatal(err)
					}
				}
				delete(sick, m)
			}
			return len(sick) == 0
		})
		d.waitStored(t, p)
		t.Logf("%s: all %d mails are stored after %v", fault.name, d.count(), time.Since(began).Round(time.Millisecond))
	}
	within(t, faultLimit, "all is marked", func() bool {
		marked := 0
		for _, m := range faultMailboxes {
			marked += len(seenIn(t, server.Maildir(m)))
		}
		return marked == d.count()
	})
	p.stop(t)
	if n := d.report(t); n != 0 {
		t.Errorf("%d mails were taken twice and recognised; want 0", n)
	}
}

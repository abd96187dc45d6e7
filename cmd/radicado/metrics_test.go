package main

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"radicado/ingest"
	"radicado/ticket"
)

// scrape reads /metrics.
func scrape(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", resp.Status, err, body)
	}
	return string(body)
}

// TestMetrics scrapes a daemon that has filed three mails.
func TestMetrics(t *testing.T) {
	e := startEmbedded(t, nil)
	e.deliver(t, "Message-ID: <1@example.org>\nFrom: ana@example.org\nSubject: lector\n\nNo captura.\n")
	e.deliver(t, "Message-ID: <2@example.org>\nIn-Reply-To: <1@example.org>\nFrom: ana@example.org\nSubject: Re: lector\n\nSigue igual.\n")
	e.deliver(t, "Message-ID: <1@example.org>\nFrom: ana@example.org\nSubject: lector\n\nNo captura.\n")
	e.deliver(t, "Message-ID: <3@example.org>\nFrom: luz@example.org\nSubject: otra cosa\n\nNo puedo entrar.\n")

	wanted := []string{
		`radicado_mails_total{disposition="new",mailbox="soporte"} 2`,
		`radicado_mails_total{disposition="reply",mailbox="soporte"} 1`,
		`radicado_mails_total{disposition="duplicate",mailbox="soporte"} 1`,
		`radicado_mail_lag_seconds_count{mailbox="soporte"} 4`,
		`radicado_mail_size_bytes_count 4`,
		`radicado_mail_size_bytes_bucket{le="1024"} 4`,
		`radicado_imap_connected{mailbox="soporte"} 1`,
		`radicado_imap_connected{mailbox="pqrsa"} 0`,
		`radicado_imap_stale{mailbox="pqrsa"} 0`,
		`radicado_imap_last_success_timestamp_seconds{mailbox="pqrsa"} 0`,
		`radicado_imap_consecutive_failures{mailbox="soporte"} 0`,
		`radicado_messages 3`,
		`radicado_open_tickets 2`,
		`radicado_quarantined_tickets 0`,
		`radicado_tickets{status="cerrado"} 0`,
		`radicado_build_info{`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	}
	// The end of the look that found the last mail comes after its filing.
	var lines []string
	var text string
	missing := func() (out []string) {
		text = scrape(t, e.url)
		lines = strings.Split(text, "\n")
		for _, w := range wanted {
			if !slices.ContainsFunc(lines, func(l string) bool {
				return l == w || strings.HasPrefix(l, w) && strings.ContainsAny(w[len(w)-1:], "{ ")
			}) {
				out = append(out, w)
			}
		}
		return out
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for lacks := missing(); len(lacks) > 0; lacks = missing() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the metrics lack:\n%s\nin:\n%s", strings.Join(lacks, "\n"), text)
		}
	}
	for _, positive := range []string{
		"radicado_store_size_bytes ", "radicado_store_batch_size_count ", "radicado_store_commit_seconds_count ",
		`radicado_imap_last_success_timestamp_seconds{mailbox="soporte"} `, `radicado_imap_consecutive_failures{mailbox="pqrsa"} `,
		`radicado_mail_lag_seconds_sum{mailbox="soporte"} `,
	} {
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, positive) })
		if i < 0 || strings.TrimPrefix(lines[i], positive) == "0" {
			t.Errorf("%s is missing or 0", positive)
		}
	}

	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "radicado_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestMeterCounts holds what is counted and what is not.
func TestMeterCounts(t *testing.T) {
	m := newMeter(newWatch(0))
	m.filed(ingest.Filed{Mailbox: "soporte", Disposition: ticket.DispositionNew, Size: 1, FromServer: true, Lag: -time.Hour})
	m.filed(ingest.Filed{Mailbox: "soporte", Disposition: ticket.DispositionNew, Size: 1, FromServer: true, Repeated: true})
	m.filed(ingest.Filed{Mailbox: "soporte", Disposition: ticket.DispositionNew, Size: 1})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "radicado_mails_total":
			if got := f.GetMetric()[0].GetCounter().GetValue(); got != 2 {
				t.Errorf("%v mails, want 2: a repeated one was counted before", got)
			}
		case "radicado_mail_lag_seconds":
			if h := f.GetMetric()[0].GetHistogram(); h.GetSampleCount() != 1 || h.GetSampleSum() != 0 {
				t.Errorf("lag %v: want one of a server, and none below 0 where its clock is ahead", h)
			}
		}
	}
}

package main

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"radicado/ingest"
	"radicado/store"
	"radicado/ticket"
)

// scrapeTime bounds what one scrape may ask of the store.
const scrapeTime = 5 * time.Second

// meter counts what the daemon does, in a registry of its own. What can be
// asked when somebody looks (mailboxes, store) is asked then.
type meter struct {
	registry *prometheus.Registry
	watch    *watch

	mails         *prometheus.CounterVec
	lag           *prometheus.HistogramVec
	size          prometheus.Histogram
	batch         prometheus.Histogram
	commitSeconds prometheus.Histogram
}

func newMeter(w *watch) *meter {
	m := &meter{
		registry: prometheus.NewRegistry(),
		watch:    w,
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "radicado_mails_total", Help: "Mails filed, by mailbox and disposition.",
		}, []string{"mailbox", "disposition"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "radicado_mail_lag_seconds", Help: "From the mail server's receipt (INTERNALDATE) to the durable commit, of mails from servers.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400},
		}, []string{"mailbox"}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "radicado_mail_size_bytes", Help: "Size of the original of each mail filed.",
			Buckets: prometheus.ExponentialBuckets(1<<10, 4, 10), // 1 KiB to 256 MiB
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "radicado_store_batch_size", Help: "Functions that shared one commit: mails, and chunks of large originals.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 1 to 256
		}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "radicado_store_commit_seconds", Help: "Time of a commit, fsync included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	version, commit := buildVersion()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "radicado_build_info", Help: "Always 1; the labels say what was built.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.mails, m.lag, m.size, m.batch, m.commitSeconds, build, mailboxCollector{w},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// committed is the store's OnCommit.
func (m *meter) committed(c store.CommitInfo) {
	m.batch.Observe(float64(c.Functions))
	m.commitSeconds.Observe(c.Took.Seconds())
}

// filed is the pipeline's OnFiled.
func (m *meter) filed(f ingest.Filed) {
	if f.Repeated && f.Disposition != ticket.DispositionDuplicate {
		return // counted when it was filed
	}
	m.mails.WithLabelValues(f.Mailbox, string(f.Disposition)).Inc()
	m.size.Observe(float64(f.Size))
	if f.FromServer {
		m.lag.WithLabelValues(f.Mailbox).Observe(max(0, f.Lag.Seconds()))
	}
}

// watchStore adds what the store says of itself when somebody looks.
func (m *meter) watchStore(s *store.Store) { m.registry.MustRegister(storeCollector{s}) }

// watchLedger adds the gaps that the daily comparison with the servers found.
func (m *meter) watchLedger(r *reconciler) { m.registry.MustRegister(ledgerCollector{r}) }

var descUnexplained = metric("unexplained_uids", "UIDs on the mail server at or below the cursor without an outcome, by the last comparison; the target is 0.", "mailbox")

// ledgerCollector reads the last comparison.
type ledgerCollector struct{ r *reconciler }

// Describe implements prometheus.Collector.
func (c ledgerCollector) Describe(ch chan<- *prometheus.Desc) { ch <- descUnexplained }

// Collect implements prometheus.Collector.
func (c ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	c.r.unexplained(func(mailbox string, n int64) {
		ch <- prometheus.MustNewConstMetric(descUnexplained, prometheus.GaugeValue, float64(n), mailbox)
	})
}

// handler answers /metrics. What fails is logged and left out, so that a sick
// store does not hide a sick mailbox.
func (m *meter) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             2 * scrapeTime,
	})
}

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("radicado_"+name, help, labels, nil)
}

// mailboxCollector reads how the mailboxes fare.
type mailboxCollector struct{ w *watch }

var (
	descConnected   = metric("imap_connected", "1 if the mailbox is logged in and its last look succeeded.", "mailbox")
	descStale       = metric("imap_stale", "1 if no look for mail has succeeded for longer than alarm.stale_after.", "mailbox")
	descLastSuccess = metric("imap_last_success_timestamp_seconds", "End of the last look for mail that met no error; 0 if there was none yet.", "mailbox")
	descFailures    = metric("imap_consecutive_failures", "Attempts in a row that ended in an error.", "mailbox")
	descLoginEnds   = metric("imap_login_ends_timestamp_seconds", "When the OAuth2 login ends and a person must log in anew; absent if not known.", "mailbox")
)

// Describe implements prometheus.Collector.
func (c mailboxCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descConnected, descStale, descLastSuccess, descFailures, descLoginEnds} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c mailboxCollector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.w.mailboxes {
		st := m.status()
		stale, _ := c.w.stale(m)
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, m.name)
		}
		gauge(descConnected, number(st.Connected && st.LastError == ""))
		gauge(descStale, number(stale))
		gauge(descLastSuccess, unixSeconds(st.LastSuccess))
		gauge(descFailures, float64(st.Failures))
		if !st.LoginEnds.IsZero() {
			gauge(descLoginEnds, unixSeconds(st.LoginEnds))
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// storeCollector reads the store's counters.
type storeCollector struct{ s *store.Store }

var (
	descMessages    = metric("messages", "Messages kept.")
	descTickets     = metric("tickets", "Tickets by status.", "status")
	descOpen        = metric("open_tickets", "Tickets with work to be done.")
	descReview      = metric("review_tickets", "Tickets flagged for review.")
	descQuarantined = metric("quarantined_tickets", "Tickets in quarantine.")
	descPriority    = metric("priority_tickets", "Tickets by priority, open and closed.", "priority")
	descStoreSize   = metric("store_size_bytes", "Size of the database file.")
)

// Describe implements prometheus.Collector.
func (c storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descMessages, descTickets, descOpen, descReview, descQuarantined, descPriority, descStoreSize} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c storeCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if size, err := c.s.Size(); err != nil {
		ch <- prometheus.NewInvalidMetric(descStoreSize, err)
	} else {
		gauge(descStoreSize, float64(size))
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	st, err := c.s.Stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descTickets, err)
		return
	}
	gauge(descMessages, float64(st.Messages))
	gauge(descOpen, float64(st.Open))
	gauge(descReview, float64(st.Review))
	gauge(descQuarantined, float64(st.Quarantined))
	for _, v := range ticket.Statuses() {
		gauge(descTickets, float64(st.ByStatus[v]), string(v))
	}
	for _, p := range ticket.Priorities() {
		n := strconv.Itoa(int(p))
		gauge(descPriority, float64(st.ByPriority[n]), n)
	}
}

// Package ingest takes mails from sources and files them: each mail is read
// once as a stream, kept byte for byte, parsed, classified, and then filed in
// one transaction with everything that it changes. See docs/architecture.md for
// the way of a mail.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"radicado/classify"
	"radicado/ingest/mime"
	"radicado/store"
	"radicado/ticket"
)

// Options of a [Pipeline]. Store, Classifier and Terms are needed.
type Options struct {
	Store      *store.Store
	Classifier *classify.Classifier
	Terms      ticket.Terms

	// Mime holds the parser's limits and the trusted receiving server.
	Mime mime.Options

	// ReopenWithin is how long after its closing a ticket takes replies; later
	// ones open a new ticket linked to it. Default 30 days.
	ReopenWithin time.Duration

	// OneTicket lets a mail that came to several mailboxes have one ticket, see
	// [ticket.Ticket.Share]; otherwise each mailbox has its own, linked.
	OneTicket bool

	// Petitions names the mailboxes of the desk that answers peticiones, quejas,
	// reclamos, sugerencias and apelaciones; the shared ticket of such a type
	// lies there, of another type elsewhere.
	Petitions []string

	// SharedDomains are mail providers whose users have nothing in common, so
	// that a sender's domain says nothing about his organisation. Default
	// [DefaultSharedDomains].
	SharedDomains []string

	// MaxMail is the size in bytes above which a mail from a file is refused: its
	// header is kept and the ticket says so. Default 64 MiB. Sources of mail
	// servers have a limit of their own.
	MaxMail int64

	// MemoryBytes bounds the texts and small originals of mails that were read
	// and wait for their commit. Default 32 MiB.
	MemoryBytes int64

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: discards

	// OnFiled is told of each mail that is durably filed, before its source is;
	// from any goroutine, so it must not block. May be nil.
	OnFiled func(Filed)
}

// Filed is one mail that has come to its end, for those who count.
type Filed struct {
	Mailbox     string
	Disposition ticket.Disposition
	Repeated    bool  // nothing of the mail was written: it is a duplicate, or its outcome had been recorded before
	Size        int64 // of the original, in bytes
	FromServer  bool  // met on a mail server, so that Lag says how fast we are
	// Lag is the time from the mail server's receipt to now; for mail that
	// waited on the server before the daemon ran, that long.
	Lag time.Duration
}

// Pipeline takes mails and files them. It is a [Sink] and may be used by many
// goroutines.
type Pipeline struct {
	o      Options
	shared map[string]bool
	memory *semaphore.Weighted
	ahead  *semaphore.Weighted // mails from servers that were read but are not queued yet

	mu    sync.Mutex
	lines map[folder]chan struct{} // closed when the last mail of the folder is queued
}

// New returns a pipeline. It fails if Store, Classifier or Terms is missing.
func New(o Options) (*Pipeline, error) {
	if o.Store == nil || o.Classifier == nil || o.Terms == nil {
		return nil, errors.New("ingest: Store, Classifier and Terms are needed")
	}
	if o.ReopenWithin == 0 {
		o.ReopenWithin = 30 * 24 * time.Hour
	}
	if o.SharedDomains == nil {
		o.SharedDomains = DefaultSharedDomains()
	}
	if o.MaxMail == 0 {
		o.MaxMail = 64 << 20
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pipeline{
		o: o, shared: map[string]bool{}, lines: map[folder]chan struct{}{},
		memory: semaphore.NewWeighted(o.MemoryBytes), ahead: semaphore.NewWeighted(int64(2 * runtime.GOMAXPROCS(0))),
	}
	for _, d := range o.SharedDomains {
		p.shared[d] = true
	}
	return p, nil
}

// Cursor implements [Sink].
func (p *Pipeline) Cursor(ctx context.Context, mailbox, folder string) (ticket.Cursor, error) {
	c, err := p.o.Store.Cursor(ctx, mailbox, folder)
	if err != nil {
		return ticket.Cursor{}, fmt.Errorf("read cursor of %s/%s: %w", mailbox, folder, err)
	}
	return c, nil
}

// Recorded implements [Sink].
func (p *Pipeline) Recorded(ctx context.Context, o ticket.Origin) (time.Time, error) {
	var out ticket.Outcome
	err := p.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		out, err = tx.Outcome(o)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read outcome of %s: %w", o, err)
	}
	return out.At, nil
}

// Commit queues a staged mail for the store's next group commit and does not
// wait for it. It blocks while too much is waiting already. Mails committed
// from one goroutine are filed in that order.
func (p *Pipeline) Commit(ctx context.Context, s *Staged) (Pending, error) {
	w := newPending()
	if err := p.queue(ctx, s, w); err != nil {
		return nil, err
	}
	return w, nil
}

// queue is Commit to a given pending, which is done unless queue fails.
func (p *Pipeline) queue(ctx context.Context, s *Staged, w *pending) error {
	weight := min(s.memory(), p.o.MemoryBytes)
	if err := p.memory.Acquire(ctx, weight); err != nil {
		return errors.Join(fmt.Errorf("queue %s: %w", s.m.Origin, err), s.blob.Discard())
	}
	var r Result
	committed := p.o.Store.Submit(ctx, func(tx *store.Tx) (err error) {
		r, err = p.file(tx, s)
		return err
	})
	go func() {
		defer close(w.done)
		defer p.memory.Release(weight)
		if err := <-committed; err != nil {
			w.err = errors.Join(fmt.Errorf("file %s: %w", s.m.Origin, err), s.blob.Discard())
			return
		}
		w.result = r
		if !s.attached {
			w.err = s.blob.Discard()
		}
		p.log(ctx, s, r)
		if p.o.OnFiled != nil {
			p.o.OnFiled(Filed{
				Mailbox: s.m.Origin.Mailbox, Disposition: r.Disposition, Repeated: r.Repeated,
				Size: s.size, FromServer: s.m.Origin.FromServer(), Lag: p.o.Now().Sub(s.receivedAt),
			})
		}
	}()
	return nil
}

func (p *Pipeline) log(ctx context.Context, s *Staged, r Result) {
	// Neither subject nor addresses: a log is read by more people than a ticket.
	p.o.Logger.LogAttrs(ctx, slog.LevelInfo, "mail filed",
		slog.String("origin", s.m.Origin.String()),
		slog.String("mailbox", s.m.Origin.Mailbox),
		slog.String("disposition", string(r.Disposition)),
		slog.String("ticket", r.Ticket.Number.String()),
		slog.String("type", string(r.Ticket.Type)),
		slog.Int("priority", int(r.Ticket.Priority)),
		slog.Bool("repeated", r.Repeated),
		slog.Time("received_at", s.receivedAt),
		slog.Duration("lag", p.o.Now().Sub(s.receivedAt).Round(time.Millisecond)),
		slog.Int64("size", s.size),
		slog.String("sha256", s.digest.String()),
	)
}

// refusalNotice stands in place of the text of a mail that is too large. The
// reason behind it names the size, so that two large mails under one Message-ID
// stay two.
const refusalNotice = "[radicado] Solo se conservan los encabezados de este correo: "

// fragment returns what is left of a mail that could not be taken, below a
// header of ours. Of a mail that is too large its own header follows in the same
// header, so that sender and subject are known.
func fragment(m Mail, reason string) io.Reader {
	head := fmt.Sprintf("%s: %s\r\n%s: %s\r\n\r\n", originField, headerSafe(m.Origin.String()), quarantineField, headerSafe(reason))
	if m.Body == nil {
		return readerOf(head)
	}
	if m.TooLarge {
		return io.MultiReader(readerOf(strings.TrimSuffix(head, "\r\n")), &tolerant{r: m.Body}, readerOf("\r\n\r\n"+refusalNotice+reason+"\r\n"))
	}
	return io.MultiReader(readerOf(head), &tolerant{r: m.Body})
}

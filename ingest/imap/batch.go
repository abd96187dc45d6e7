package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"radicado/ingest"
	"radicado/ticket"
)

// errTooLarge is a mail above Options.MaxMail.
var errTooLarge = errors.New("larger than allowed")

// batch is a run of UIDs on its way to the sink.
type batch struct {
	*session
	folder   *folder
	previous ticket.UID // the UID handed over before the next one

	done   int // UIDs dealt with: stored, or vanished from the server
	stored int
}

// meta is what is known of a mail before its text.
type meta struct {
	date time.Time
	size int64
}

// taken is a mail that the sink has read.
type taken struct {
	uid     ticket.UID
	pending ingest.Pending
}

// take fetches the mails, hands them to the sink in ascending order, waits
// until they are stored and does the after-store action. An error means that
// the rest has to be tried again; the UID at fault is noted in the folder.
func (b *batch) take(ctx, work context.Context, uids []ticket.UID) error {
	last := uids[len(uids)-1]
	fail := func(uid ticket.UID, sinkSide bool, err error) error {
		// Stopping is nobody's fault.
		if work.Err() == nil && ctx.Err() == nil {
			b.folder.blame(uid, last, sinkSide, err)
		}
		return fmt.Errorf("take uid %d of %s (failure %d): %w", uid, b.folder.name, b.folder.trouble.failures, err)
	}
	metas, err := b.fetchMeta(work, uids)
	if err != nil {
		return fail(uids[0], false, err)
	}
	listed, err := b.stillListed(work, uids, metas)
	if err != nil {
		return fail(uids[0], false, err)
	}

	var present []ticket.UID
	var withheld ticket.UID // listed, but not sent
	n := 0
	for _, uid := range uids {
		m, ok := metas[uid]
		if !ok && listed[uid] {
			withheld = uid
			break
		}
		if ok && m.size > b.o.MaxMail {
			if len(present) > 0 {
				break
			}
			b.folder.trouble = trouble{uid: uid, failures: b.o.MaxFailures, err: fmt.Errorf("mail of %d bytes: %w (%d)", m.size, errTooLarge, b.o.MaxMail)}
			if err := b.quarantine(work, uid); err != nil {
				return err
			}
			b.done += n
			return nil
		}
		n++
		if ok {
			present = append(present, uid)
		}
	}
	if len(present) > 0 {
		bad, sinkSide, err := b.hand(ctx, work, present, metas)
		if err != nil && bad == 0 {
			return err
		}
		if err != nil {
			return fail(bad, sinkSide, err)
		}
	}
	if ctx.Err() != nil {
		return nil // not all may have been handed over; the next look finds out
	}
	if withheld != 0 {
		return fail(withheld, false, errSilent)
	}
	b.done += n
	return nil
}

// fetchMeta asks for size and date, in a command of its own: a server may send
// them behind the text, when they come too late.
func (b *batch) fetchMeta(ctx context.Context, uids []ticket.UID) (map[ticket.UID]meta, error) {
	metas := make(map[ticket.UID]meta, len(uids))
	err := b.doUntimed(ctx, responseBudget, "fetch sizes", func() error {
		cmd := b.client.Fetch(uidSet(uids), &goimap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true})
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			var uid ticket.UID
			m := meta{size: -1}
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = ticket.UID(item.UID)
				case imapclient.FetchItemDataInternalDate:
					m.date = item.Time
				case imapclient.FetchItemDataRFC822Size:
					m.size = item.Size
				case imapclient.FetchItemDataBodySection:
					return b.giveUp(errFlood, cmd, newLiteral(item.Literal)) // not asked for
				case imapclient.FetchItemDataBinarySection:
					return b.giveUp(errFlood, cmd, newLiteral(item.Literal))
				}
			}
			if uid != 0 && m.size >= 0 {
				metas[uid] = m
			}
		}
		return cmd.Close()
	})
	return metas, err
}

// stillListed tells a mail that has vanished, which is passed over, from one
// that the server holds back, which must not be.
func (b *batch) stillListed(ctx context.Context, uids []ticket.UID, metas map[ticket.UID]meta) (map[ticket.UID]bool, error) {
	var missing []ticket.UID
	for _, uid := range uids {
		if _, ok := metas[uid]; !ok {
			missing = append(missing, uid)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	found, err := b.searchSet(ctx, uidSet(missing), missing[0], missing[len(missing)-1])
	if err != nil {
		return nil, err
	}
	listed := make(map[ticket.UID]bool, len(found))
	for _, uid := range found {
		listed[uid] = true
	}
	return listed, nil
}

// hand fetches the texts and gives them to the sink, waits for all that it
// took, and acts on those that were stored. With an error comes the UID at
// fault.
func (b *batch) hand(ctx, work context.Context, uids []ticket.UID, metas map[ticket.UID]meta) (bad ticket.UID, sinkSide bool, err error) {
	var list []taken
	bad, sinkSide, err = b.fetchTexts(ctx, work, uids, metas, &list)

	// The FETCH is drained. What the sink has read was whole, byte for byte, so
	// it counts even where the command failed later.
	wait, cancel := b.waiting(ctx, work)
	defer cancel()
	var stored []ticket.UID
	for _, t := range list {
		if _, e := t.pending.Wait(wait); e != nil {
			// Those behind cannot be stored either, but are to be waited for: their
			// readers have ended, not their way to disk.
			if bad == 0 || t.uid < bad {
				bad, sinkSide, err = t.uid, true, fmt.Errorf("store: %w", e)
			}
			continue
		}
		stored = append(stored, t.uid)
		b.previous = t.uid
		b.stored++
		b.folder.passed(t.uid)
	}
	if e := b.act(work, b.folder, stored); e != nil && err == nil {
		// Nobody's fault but the connection's: the mails are stored.
		return 0, false, e
	}
	return bad, sinkSide, err
}

// waiting is the context for waiting on the sink: as long as it takes, but no
// longer than Grace once ctx has ended.
func (b *batch) waiting(ctx, work context.Context) (context.Context, context.CancelFunc) {
	wait, cancel := context.WithCancel(context.WithoutCancel(work))
	stop := context.AfterFunc(ctx, func() {
		sleep(wait, b.o.Grace)
		cancel()
	})
	return wait, func() { stop(); cancel() }
}

// fetchTexts streams each mail into the sink. It expects them in ascending
// order; a server that sends them otherwise, or leaves one out, is asked again
// one by one.
func (b *batch) fetchTexts(ctx, work context.Context, uids []ticket.UID, metas map[ticket.UID]meta, list *[]taken) (bad ticket.UID, sinkSide bool, err error) {
	previous := b.previous
	next := 0
	// at names the UID that is due, for blame.
	at := func() ticket.UID { return uids[min(next, len(uids)-1)] }
	err = b.doUntimed(work, responseBudget, "fetch", func() error {
		cmd := b.client.Fetch(uidSet(uids), &goimap.FetchOptions{UID: true, BodySection: []*goimap.FetchItemBodySection{{Peek: true}}})
		var broken error // the mails behind may not be handed over
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			var uid ticket.UID
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = ticket.UID(item.UID)
				case imapclient.FetchItemDataBodySection:
					if item.Literal == nil {
						continue // NIL; missing below
					}
					if broken == nil && next < len(uids) && uid != uids[next] {
						broken = fmt.Errorf("uid %d came: %w", uid, errSilent)
					}
					text := newLiteral(item.Literal)
					if text.left > b.o.MaxMail {
						return b.giveUp(fmt.Errorf("literal of %d bytes: %w", text.left, errTooLarge), cmd, text)
					}
					b.guard.grant(text.left)
					if broken == nil && next < len(uids) && ctx.Err() == nil {
						p, err := b.sink.Take(work, ingest.Mail{
							Origin:     ticket.Origin{Mailbox: b.o.Mailbox, Folder: b.folder.name, UIDValidity: b.folder.uidValidity, UID: uid},
							Previous:   previous,
							ReceivedAt: metas[uid].date.UTC(),
							Size:       item.Literal.Size(),
							Junk:       b.folder.junk,
							Body:       text,
						})
						switch {
						case err == nil && text.err == nil:
							*list = append(*list, taken{uid: uid, pending: p})
							previous = uid
							next++
						case text.err != nil:
							return b.giveUp(text.err, cmd, text)
						default:
							sinkSide = true
							// The batch may be long: not worth reading to its end.
							return b.giveUp(fmt.Errorf("take: %w", err), cmd, text)
						}
					}
					if err := text.drain(); err != nil {
						return b.giveUp(err, cmd, text)
					}
				}
			}
		}
		if err := cmd.Close(); err != nil {
			return err
		}
		if broken == nil && next < len(uids) && ctx.Err() == nil {
			broken = errSilent
		}
		return broken
	})
	if err != nil {
		return at(), sinkSide, err
	}
	return 0, false, nil
}

// giveUp closes the connection and waits for the library's reader, which may be
// in this literal or in one behind it that it has buffered. After a cut the
// library must not be read from any more: it and its reader would use one
// buffer at the same time.
func (b *batch) giveUp(err error, cmd *imapclient.FetchCommand, text *literal) error {
	b.guard.kill(err)
	if text.drain() == nil {
		_ = cmd.Close()
	}
	<-b.client.Closed()
	return err
}

// literal is the text of one mail. A text that ends early is an error here, as
// it is not in the library, and after one the library is not asked again.
type literal struct {
	r    io.Reader
	left int64
	err  error
}

// newLiteral wraps a literal of the library; nil, for NIL, is an empty one.
func newLiteral(r goimap.LiteralReader) *literal {
	if r == nil {
		return &literal{}
	}
	return &literal{r: r, left: r.Size()}
}

func (l *literal) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if l.left == 0 && l.r == nil {
		return 0, io.EOF
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && l.left == 0:
		l.r = nil
		return n, io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	l.err = fmt.Errorf("%d bytes before the end of the mail: %w", l.left, err)
	return n, l.err
}

// drain reads what the sink left, so that the library's reader goes on.
func (l *literal) drain() error {
	_, err := io.Copy(io.Discard, l)
	return err
}

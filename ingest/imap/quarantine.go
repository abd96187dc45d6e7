package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"radicado/ingest"
	"radicado/ticket"
)

// quarantine hands over what can be got of a mail that failed too often: all of
// it where the sink was at fault, else its header, and nothing if that too ends
// the connection. Its UID is then passed, so that the mails behind it go on. It
// stays on the server like any stored mail.
func (b *batch) quarantine(ctx context.Context, uid ticket.UID) error {
	f := b.folder
	t := f.trouble
	m := ingest.Mail{
		Origin:   ticket.Origin{Mailbox: b.o.Mailbox, Folder: f.name, UIDValidity: f.uidValidity, UID: uid},
		Previous: b.previous,
		Junk:     f.junk,
	}
	why := bounded(fmt.Sprintf("could not be taken in %d attempts: %v", min(t.failures, b.o.MaxFailures), t.err))
	if errors.Is(t.err, errTooLarge) {
		why = t.err.Error() + "; only its header is kept, the mail is still on the server"
		m.TooLarge = true
	}

	var sinkErr error
	stored := false
	for _, specifier := range b.specifiers(t) {
		err, connErr := b.quarantineText(ctx, m, specifier, why)
		if connErr != nil {
			if ctx.Err() == nil {
				f.blame(uid, uid, false, t.err)
			}
			return fmt.Errorf("quarantine uid %d of %s: %w", uid, f.name, connErr)
		}
		if sinkErr = err; err == nil {
			stored = true
			break
		}
		if errors.Is(err, ingest.ErrStorage) {
			// Less of the mail might just fit the disk, and the rest be lost.
			return fmt.Errorf("quarantine uid %d of %s: %w", uid, f.name, err)
		}
	}
	if !stored {
		m.Body, m.Size = strings.NewReader(""), 0
		if sinkErr = b.hold(ctx, m, why); sinkErr != nil {
			// Not even that: it is the sink that fails, whatever it is given. The mail
			// gets all its attempts again.
			f.trouble = trouble{}
			return fmt.Errorf("quarantine uid %d of %s: %w", uid, f.name, sinkErr)
		}
	}
	b.o.Logger.Warn("imap mail quarantined", "folder", f.name, "uid", uid, "reason", why)
	f.passed(uid)
	b.previous = uid
	b.done++
	b.stored++
	return b.act(ctx, f, []ticket.UID{uid})
}

// specifiers lists which texts of the mail are worth asking for, best first.
func (b *batch) specifiers(t trouble) []goimap.PartSpecifier {
	switch {
	case t.failures > b.o.MaxFailures: // quarantine has been tried, and the connection died of it
		return nil
	case t.sinkSide:
		return []goimap.PartSpecifier{goimap.PartSpecifierNone, goimap.PartSpecifierHeader}
	}
	return []goimap.PartSpecifier{goimap.PartSpecifierHeader}
}

// hold quarantines m and waits until that is stored.
func (b *batch) hold(ctx context.Context, m ingest.Mail, why string) error {
	p, err := b.sink.Quarantine(ctx, m, why)
	if err != nil {
		return err
	}
	wait, cancel := b.waiting(ctx, ctx)
	defer cancel()
	_, err = p.Wait(wait)
	return err
}

// quarantineText quarantines the mail with a text that is fetched for it. It
// tells the sink's error from the connection's.
func (b *batch) quarantineText(ctx context.Context, m ingest.Mail, specifier goimap.PartSpecifier, why string) (sinkErr, connErr error) {
	var p ingest.Pending
	connErr = b.doUntimed(ctx, responseBudget, "fetch for quarantine", func() error {
		cmd := b.client.Fetch(uidSet([]ticket.UID{m.Origin.UID}), &goimap.FetchOptions{UID: true, BodySection: []*goimap.FetchItemBodySection{{Specifier: specifier, Peek: true}}})
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			for item := msg.Next(); item != nil; item = msg.Next() {
				section, ok := item.(imapclient.FetchItemDataBodySection)
				if !ok || section.Literal == nil {
					continue
				}
				text := newLiteral(section.Literal)
				if p != nil || text.left > b.o.MaxMail {
					return b.giveUp(errFlood, cmd, text)
				}
				b.guard.grant(text.left)
				m.Body, m.Size = text, text.left
				p, sinkErr = b.sink.Quarantine(ctx, m, why)
				if err := text.drain(); err != nil {
					return b.giveUp(err, cmd, text)
				}
			}
		}
		return cmd.Close()
	})
	switch {
	case connErr != nil && isAnswer(connErr):
		return connErr, nil // NO to this text only: try the next
	case connErr != nil || sinkErr != nil:
		return sinkErr, connErr
	case p == nil:
		return errSilent, nil
	}
	wait, cancel := b.waiting(ctx, ctx)
	defer cancel()
	_, sinkErr = p.Wait(wait)
	return sinkErr, nil
}

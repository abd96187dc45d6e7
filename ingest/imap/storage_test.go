package imap_test

import (
	"fmt"
	"syscall"
	"testing"

	"radicado/ingest"
)

// A full disk is no mail's fault: however often it fails, none is quarantined,
// although quarantine, which needs less space, might just succeed.
func TestFullDiskQuarantinesNothing(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 20, 400)
	sink := newSink(t)
	attempts := 0
	sink.refuse = func(ingest.Mail) error {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		if attempts++; attempts < 12 {
			return fmt.Errorf("%w: %w", ingest.ErrStorage, syscall.ENOSPC)
		}
		return nil
	}
	_, stop := run(t, options(server.Addr()), sink)
	sink.wait(20)
	stop()
	wantMails(t, sink.wait(20), "INBOX", 400, numbers(1, 20)...)
}

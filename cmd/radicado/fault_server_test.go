package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFaultServer lets one daemon live through everything that happens to a
// mail server: killed and restarted, a password refused, a certificate expired,
// an INBOX that was deleted and restored. Mail comes at each step.
func TestFaultServer(t *testing.T) {
	t.Parallel()
	for name, start := range faultServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := start(t)
			surviveServer(t, newFaultDeskOn(t, host, "seen", ""))
		})
	}
}

func surviveServer(t *testing.T, d *faultDesk) {
	d.mustDeliver(t, 20, 0)
	p := d.start(t)
	d.waitStored(t, p)
	restart := func(what string) {
		t.Helper()
		if err := d.host.Restart(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	// The server is away, and comes back.
	from := len(p.text())
	d.host.Stop()
	d.mustDeliver(t, 5, 0)
	p.waitSaid(t, from, "level=WARN", `msg="imap session ended"`)
	p.waitSaid(t, from, "connection refused")
	restart("after a crash")
	d.waitStored(t, p)

	// The password is refused, then right again.
	d.host.Stop()
	for _, m := range faultMailboxes {
		if err := d.host.SetPassword(m, "otra-clave-de-"+m); err != nil {
			t.Fatal(err)
		}
	}
	d.mustDeliver(t, 5, 0)
	from = len(p.text())
	restart("with other passwords")
	p.waitSaid(t, from, "log in as", "imap: NO ")
	for _, m := range faultMailboxes { // the file is read anew at each login
		if err := os.WriteFile(filepath.Join(d.dir, m+".pass"), []byte(d.host.Password(m)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.waitStored(t, p)

	// The certificate expires, and is renewed.
	d.host.Stop()
	if err := d.host.SetCertificate(time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	d.mustDeliver(t, 5, 0)
	from = len(p.text())
	restart("with an expired certificate")
	p.waitSaid(t, from, "certificate has expired")
	d.host.Stop()
	if err := d.host.SetCertificate(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	restart("with a new certificate")
	d.waitStored(t, p)

	// The INBOX is deleted and restored: other UIDs under another UIDVALIDITY.
	known := d.count()
	from = len(p.text())
	for _, m := range faultMailboxes {
		if err := d.host.Renumber(m); err != nil {
			t.Fatal(err)
		}
	}
	d.mustDeliver(t, 5, 0)
	p.waitSaid(t, from, "level=WARN", "renumbered by the server")
	d.waitStored(t, p)
	within(t, faultLimit, "every mail was met again", func() bool {
		return strings.Count(p.text()[from:], `msg="mail filed"`) >= d.count()
	})
	p.stop(t)
	if strings.Contains(p.text(), "clave-de-") {
		t.Error("a password is in the log")
	}
	if n := strings.Count(p.text()[from:], "disposition=duplicate"); n != known {
		t.Errorf("%d mails were recognised under their new UIDs, want %d", n, known)
	}
	d.report(t)
}

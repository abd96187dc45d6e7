package imap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ingest/imap"
	"radicado/ingest/imap/dovecottest"
	"radicado/ingest/imap/imaptest"
	"radicado/ticket"
)

// byFolder counts what was taken of each folder, and what of it as spam.
func byFolder(got []storedMail) (all, junk map[string]int) {
	all, junk = map[string]int{}, map[string]int{}
	for _, m := range got {
		all[m.mail.Origin.Folder]++
		if m.mail.Junk {
			junk[m.mail.Origin.Folder]++
		}
	}
	return all, junk
}

// A folder with a backlog takes turns with INBOX: who writes now does not wait
// for last year's mail.
func TestBigFolderDoesNotStarveInbox(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "Viejo", 1, 400, 0)
	sink := newSink(t)
	sent := 0
	sink.refuse = func(m ingest.Mail) error { // called for each mail, in order
		if m.Origin.Folder == "Viejo" && m.Origin.UID%50 == 0 {
			sent++
			return server.Deliver("soporte", "INBOX", mail(1000+sent, 0), time.Now())
		}
		return nil
	}
	o := options(server.Addr())
	o.Folders = []string{"INBOX", "Viejo"}
	o.Poll = time.Hour
	_, stop := run(t, o, sink)
	got := sink.wait(408)
	stop()
	since := map[ticket.UID]ticket.UID{} // the last mail of Viejo before each of INBOX
	last := ticket.UID(0)
	for _, m := range got {
		if m.mail.Origin.Folder == "Viejo" {
			last = m.mail.Origin.UID
			continue
		}
		since[m.mail.Origin.UID] = last
	}
	for n := ticket.UID(1); n <= 8; n++ {
		if came, taken := 50*n, since[n]; taken > came+20 {
			t.Errorf("mail %d came to INBOX at mail %d of the other folder and was taken after its mail %d", n, came, taken)
		}
	}
	if all, _ := byFolder(got); all["Viejo"] != 400 || all["INBOX"] != 8 {
		t.Errorf("taken: %v", all)
	}
}

// Folders in which nothing has come are asked by STATUS: the first one stays
// selected, and nothing is searched.
func TestQuietFoldersAreAskedByStatus(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 1, 0)
	deliver(t, server, "Quejas", 2, 2, 0)
	o := options(server.Addr())
	o.Folders = []string{"INBOX", "Quejas"}
	sink := newSink(t)
	_, stop := run(t, o, sink)
	sink.wait(2)
	until(t, "several STATUS", func() bool { return server.Statuses() > 3 })
	selects := server.Selects()
	asked := server.Statuses()
	until(t, "some more", func() bool { return server.Statuses() > asked+3 })
	if n := server.Selects(); n != selects {
		t.Errorf("%d folders were opened while nothing came", n-selects)
	}
	deliver(t, server, "Quejas", 3, 3, 0)
	sink.wait(3)
	deliver(t, server, "INBOX", 4, 4, 0)
	got := sink.wait(4)
	stop()
	if all, junk := byFolder(got); all["INBOX"] != 2 || all["Quejas"] != 2 || len(junk) != 0 {
		t.Errorf("taken %v, as spam %v", all, junk)
	}
	if server.Logins() != 1 {
		t.Errorf("%d logins, want 1", server.Logins())
	}
}

func TestJunkFolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, folder, wanted string
		mark                 bool
	}{
		{"marked by the server", "Basurero ñ", `\Junk`, true},
		{"marked, and named", "Basurero ñ", "Basurero ñ", true},
		{"known by its name", "INBOX/Correo no deseado", `\junk`, false},
		{"another form of Unicode", "Basura sin señal/Spam", "Basura sin sen\u0303al/Spam", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			deliver(t, server, "INBOX", 1, 1, 0)
			deliver(t, server, tt.folder, 2, 3, 0)
			if tt.mark {
				server.MarkJunk(tt.folder)
			}
			o := options(server.Addr())
			o.Folders = []string{"INBOX", tt.wanted}
			o.After = imap.After{Seen: true}
			sink := newSink(t)
			source, stop := run(t, o, sink)
			got := sink.wait(3)
			until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })
			stop()
			if all, junk := byFolder(got); all["INBOX"] != 1 || all[tt.folder] != 2 || junk["INBOX"] != 0 || junk[tt.folder] != 2 {
				t.Errorf("taken %v, as spam %v", all, junk)
			}
			if _, unseen := server.Count("soporte", tt.folder); unseen != 0 {
				t.Errorf("%d mails are unseen", unseen)
			}
			list, err := source.List(t.Context())
			if err != nil || len(list) != 2 || list[1].Folder != tt.folder || len(list[1].UIDs) != 2 {
				t.Errorf("list %+v, %v", list, err)
			}
		})
	}
}

// A special use that no folder has is named, and the others go on; so is one
// that is the folder mails are moved to.
func TestSpecialUseThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*imaptest.Server, *imap.Options){
		`no folder with the special use \Archive`: func(_ *imaptest.Server, o *imap.Options) { o.Folders = []string{"INBOX", `\Archive`} },
		"every mail would come again": func(s *imaptest.Server, o *imap.Options) {
			s.MarkJunk("Basurero")
			o.Folders, o.After = []string{"INBOX", `\Junk`}, imap.After{Move: "Basurero"}
		},
	} {
		server := newServer(t)
		deliver(t, server, "INBOX", 1, 1, 0)
		o := options(server.Addr())
		change(server, &o)
		sink := newSink(t)
		source, stop := run(t, o, sink)
		sink.wait(1)
		until(t, "status says why", func() bool { return strings.Contains(source.Status().LastError, want) })
		deliver(t, server, "INBOX", 2, 2, 0)
		sink.wait(2)
		stop()
	}
	o := options("127.0.0.1:143")
	o.Folders = []string{`\Drafts`}
	if _, err := imap.New(o); err == nil || !strings.Contains(err.Error(), `\Junk`) {
		t.Errorf("error %v, want one that names what is possible", err)
	}
}

// A spam folder that the server makes later is found without a new login.
func TestSpecialUseThatComesLater(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 1, 0)
	o := options(server.Addr())
	o.Folders = []string{"INBOX", `\Junk`}
	o.IdleRefresh = 20 * time.Millisecond
	sink := newSink(t)
	source, stop := run(t, o, sink)
	sink.wait(1)
	until(t, "status says why", func() bool { return strings.Contains(source.Status().LastError, "special use") })
	deliver(t, server, "Basurero", 2, 2, 0)
	server.MarkJunk("Basurero")
	got := sink.wait(2)
	until(t, "no error is left", func() bool { return source.Status().LastError == "" })
	stop()
	if _, junk := byFolder(got); junk["Basurero"] != 1 || server.Logins() != 1 {
		t.Errorf("as spam %v, %d logins", junk, server.Logins())
	}
}

// A folder named twice in two ways is read once.
func TestFolderNamedInTwoWays(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.MarkJunk("Spam")
	deliver(t, server, "INBOX", 1, 1, 0)
	deliver(t, server, "Spam", 2, 2, 0)
	o := options(server.Addr())
	o.Folders = []string{"inbox", "Spam", `\Junk`}
	sink := newSink(t)
	source, stop := run(t, o, sink)
	sink.wait(2)
	until(t, "several looks", func() bool { return server.Statuses() > 2 })
	list, err := source.List(t.Context())
	stop()
	if all, _ := byFolder(sink.wait(2)); len(sink.wait(2)) != 2 || all["INBOX"] != 1 || all["Spam"] != 1 {
		t.Errorf("taken %v", all)
	}
	if err != nil || len(list) != 2 {
		t.Errorf("list %+v, %v", list, err)
	}
}

// Names that are not ASCII go through as modified UTF-7 (RFC 3501 section
// 5.1.3) and, once enabled, as UTF-8 (RFC 9051).
func TestFolderNames(t *testing.T) {
	t.Parallel()
	names := []string{"Peticiones año", "INBOX/Peticiones año", "Q&A", "a&b-ñ", "日本語/台北", "\U0001F4E7 correo", `con "comillas" y \barra`, "espacio al final "}
	for version, start := range map[string]func(map[string]string) (*imaptest.Server, error){"rev1": imaptest.Start, "rev2": imaptest.StartRev2} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			server, err := start(map[string]string{"soporte": secret})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			for i, name := range names {
				deliver(t, server, name, i+1, i+1, 0)
			}
			o := options(server.Addr())
			o.Folders = append([]string{"INBOX"}, names...)
			o.After = imap.After{Move: "Procesados/año ñ"}
			sink := newSink(t)
			source, stop := run(t, o, sink)
			got := sink.wait(len(names))
			until(t, "all are moved", func() bool { n, _ := server.Count("soporte", o.After.Move); return n == len(names) })
			stop()
			all, _ := byFolder(got)
			for _, name := range names {
				if all[name] != 1 {
					t.Errorf("%q: %d mails", name, all[name])
				}
			}
			if e := source.Status().LastError; e != "" {
				t.Errorf("error %s", e)
			}
		})
	}
}

func TestDovecotFolders(t *testing.T) {
	t.Parallel()
	s := dovecottest.Start(t, "soporte")
	realDeliver(t, s, 1, 2, 0)
	for n, folder := range map[int]string{3: "Peticiones a&APE-o", 4: "Quejas.A&-B", 5: "Correo no deseado"} {
		if err := s.DeliverTo("soporte", folder, mail(n, 0)); err != nil {
			t.Fatal(err)
		}
	}
	o := realOptions(s, imap.SecurityTLS)
	o.Folders = []string{"INBOX", "Peticiones año", "Quejas/A&B", `\Junk`, "Falta"}
	o.After = imap.After{Move: "Procesados ñ"}
	sink := newSink(t)
	source, stop := run(t, o, sink)
	sink.wait(5)
	until(t, "status names the missing one", func() bool { return strings.Contains(source.Status().LastError, "Falta") })
	if err := s.DeliverTo("soporte", "Peticiones a&APE-o", mail(6, 0)); err != nil {
		t.Fatal(err)
	}
	sink.wait(6)
	realDeliver(t, s, 7, 7, 0)
	got := sink.wait(7)
	list, err := source.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Falta") || len(list) != 4 {
		t.Errorf("list %+v, %v", list, err)
	}
	stop()
	all, junk := byFolder(got)
	if all["INBOX"] != 3 || all["Peticiones año"] != 2 || all["Quejas/A&B"] != 1 || all["Correo no deseado"] != 1 {
		t.Errorf("taken %v", all)
	}
	if len(junk) != 1 || junk["Correo no deseado"] != 1 {
		t.Errorf("as spam %v", junk)
	}
}

// What a killed process stored and did not mark is marked by the next; what a
// person marked unread long after is not.
func TestSeenIsMadeUpFor(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 30, 0)
	sink := newSink(t)
	o := options(server.Addr())
	_, stop := run(t, o, sink) // after none: as if killed before each mark
	sink.wait(30)
	stop()
	sink.mu.Lock()
	for at := range sink.recorded {
		if at.UID <= 20 {
			sink.recorded[at] = sink.recorded[at].Add(-time.Hour)
		}
	}
	sink.mu.Unlock()
	o.After = imap.After{Seen: true}
	unseen := func() int { _, n := server.Count("soporte", "INBOX"); return n }
	source, stop := run(t, o, sink)
	until(t, "the last ten are marked", func() bool { return unseen() == 20 })
	until(t, "a look has ended", func() bool { return !source.Status().LastSuccess.IsZero() })

	// Once a process: whoever marks them unread now is left in peace.
	if err := server.SetSeen("soporte", "INBOX", false); err != nil {
		t.Fatal(err)
	}
	deliver(t, server, "INBOX", 31, 32, 0)
	sink.wait(32)
	stop()
	if n := unseen(); n != 30 {
		t.Errorf("%d mails are unseen, want the 30 that a person marked so", n)
	}
}

// An outcome that cannot be read ends the session and not the source.
func TestSeenIsMadeUpForLater(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	deliver(t, server, "INBOX", 1, 3, 0)
	sink := newSink(t)
	o := options(server.Addr())
	_, stop := run(t, o, sink)
	sink.wait(3)
	stop()
	o.After = imap.After{Seen: true}
	source, stop := run(t, o, &forgetful{memorySink: sink, failures: 2})
	until(t, "all are marked", func() bool { _, n := server.Count("soporte", "INBOX"); return n == 0 })
	until(t, "no error is left", func() bool { return source.Status().LastError == "" })
	stop()
}

// forgetful is a sink that cannot read its ledger at first.
type forgetful struct {
	*memorySink
	failures int
}

func (f *forgetful) Recorded(ctx context.Context, o ticket.Origin) (time.Time, error) {
	if f.failures > 0 {
		f.failures--
		return time.Time{}, errors.New("ledger unreadable")
	}
	return f.memorySink.Recorded(ctx, o)
}

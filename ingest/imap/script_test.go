package imap_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"radicado/ingest"
	"radicado/ingest/imap"
)

// script is a server that answers by a function: for servers that misbehave in
// ways which the memory server cannot.
type script struct {
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	commands []string
	conns    map[net.Conn]bool
	served   chan struct{} // gets a value at the end of each connection

	// Set before the first connection, or by set; "" is the default.
	caps, greeting, login, open string
	uidNext                     int // 0 is not told
	begun                       time.Time
}

// reply is what comes before the tagged OK. Closed ends the connection instead.
type reply struct {
	data   string
	status string // "" is OK
	closed bool
}

func newScript(t testing.TB, answer func(command string) reply) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{begun: time.Now(), listener: l, conns: make(map[net.Conn]bool), served: make(chan struct{}, 100)}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.mu.Unlock()
			s.running.Go(func() {
				s.serve(c, answer)
				c.Close()
				select {
				case s.served <- struct{}{}:
				default:
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

// set changes what the server says, before a client comes.
func (s *script) set(change func(*script)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *script) serve(c net.Conn, answer func(string) reply) {
	s.mu.Lock()
	caps, greeting, login, open, uidNext := cmp.Or(s.caps, "IMAP4rev1"), s.greeting, s.login, s.open, s.uidNext
	s.mu.Unlock()
	if greeting == "" {
		greeting = "* OK [CAPABILITY " + caps + "] ready"
	}
	if _, err := io.WriteString(c, greeting+"\r\n"); err != nil || strings.HasPrefix(greeting, "* BYE") {
		return
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		if !strings.HasPrefix(command, "LOGIN") {
			s.mu.Lock()
			s.commands = append(s.commands, command)
			s.mu.Unlock()
		}
		r := defaultReply(command, caps)
		switch verb, _, _ := strings.Cut(command, " "); {
		case verb == "LOGIN" && login != "":
			r = reply{status: login}
		case (verb == "SELECT" || verb == "EXAMINE") && open != "":
			r = reply{status: open}
		case (verb == "SELECT" || verb == "EXAMINE") && uidNext > 0:
			r.data += fmt.Sprintf("* OK [UIDNEXT %d] ok\r\n", uidNext)
		}
		if r == (reply{}) {
			r = answer(command)
		}
		if r.status == "" {
			r.status = "OK done"
		}
		if !r.closed {
			r.data += tag + " " + r.status + "\r\n"
		}
		if _, err := io.WriteString(c, r.data); err != nil || r.closed {
			return
		}
	}
}

// defaultReply answers what leads up to a search.
func defaultReply(command, caps string) reply {
	switch verb, _, _ := strings.Cut(command, " "); verb {
	case "LOGIN":
		return reply{status: "OK [CAPABILITY " + caps + "] in"}
	case "CAPABILITY":
		return reply{data: "* CAPABILITY " + caps + "\r\n"}
	case "SELECT", "EXAMINE":
		return reply{data: "* 3 EXISTS\r\n* OK [UIDVALIDITY 9] ok\r\n"}
	case "LOGOUT":
		return reply{data: "* BYE\r\n"}
	}
	return reply{}
}

func (s *script) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// metas answers the first FETCH of a batch.
func metas(uids ...int) string {
	var b strings.Builder
	for _, n := range uids {
		fmt.Fprintf(&b, "* %d FETCH (UID %d RFC822.SIZE 100 INTERNALDATE \"02-Mar-2026 08:00:%02d +0000\")\r\n", n, n, n)
	}
	return b.String()
}

func text(n int) string {
	m := mail(n, 0)
	return fmt.Sprintf("* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", n, n, len(m), m)
}

func isText(command string) bool { return strings.Contains(command, "BODY.PEEK[]") }
func isMeta(command string) bool { return strings.Contains(command, "RFC822.SIZE") }
func isSearch(c string) bool     { return strings.HasPrefix(c, "UID SEARCH") }

// What is asked for is what servers of all kinds answer in a way that the
// library understands, and changes nothing on the server.
func TestCommandsAreTheHarmlessOnes(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(c string) reply {
		switch {
		case isSearch(c):
			return reply{data: "* SEARCH 1 2\r\n"}
		case isMeta(c):
			return reply{data: metas(1, 2)}
		case isText(c):
			return reply{data: text(1) + text(2)}
		}
		return reply{status: "BAD unexpected"}
	})
	sink := newSink(t)
	_, stop := run(t, options(s.listener.Addr().String()), sink)
	sink.wait(2)
	until(t, "a second search", func() bool { return len(s.all()) >= 5 })
	stop()
	wantMails(t, sink.wait(2), "INBOX", 0, 1, 2)
	want := []string{
		"EXAMINE INBOX",
		"UID SEARCH UID 1:*",
		"UID FETCH 1:2 (UID ",
		"UID FETCH 1:2 (UID BODY.PEEK[])",
		"UID SEARCH UID 3:*", // answered with 1 and 2: both below the cursor
	}
	got := s.all()
	for i, w := range want {
		if i < len(got) && !strings.HasPrefix(got[i], w) {
			t.Errorf("command %d is %q, want %q...", i, got[i], w)
		}
	}
	for _, c := range got {
		for _, bad := range []string{"ENVELOPE", "BODYSTRUCTURE", "FLAGS", "UNSEEN", "RETURN"} {
			if strings.Contains(c, bad) {
				t.Errorf("command %q", c)
			}
		}
	}
}

// A mail that vanishes is passed over, and the next one follows the one before.
func TestVanishedMail(t *testing.T) {
	t.Parallel()
	searches := 0
	s := newScript(t, func(c string) reply {
		switch {
		case isSearch(c):
			if searches++; searches == 1 {
				return reply{data: "* SEARCH 1 2 3\r\n"}
			}
			return reply{data: "* SEARCH\r\n"}
		case isMeta(c):
			return reply{data: metas(1, 3)}
		case isText(c):
			return reply{data: text(1) + text(3)}
		}
		return reply{}
	})
	sink := newSink(t)
	_, stop := run(t, options(s.listener.Addr().String()), sink)
	got := sink.wait(2)
	stop()
	wantMails(t, got, "INBOX", 0, 1, 3)
	if got[1].mail.Previous != 1 {
		t.Errorf("uid 3 follows %d, want 1", got[1].mail.Previous)
	}
}

// A mail that the server lists but does not send must never be jumped over: it
// ends in quarantine.
func TestWithheldMail(t *testing.T) {
	t.Parallel()
	for name, withheld := range map[string]struct{ meta, text string }{
		"no answer":   {metas(1, 3), text(1) + text(3)},
		"no text":     {metas(1, 2, 3), text(1) + text(3)},
		"NIL":         {metas(1, 2, 3), text(1) + "* 2 FETCH (UID 2 BODY[] NIL)\r\n" + text(3)},
		"flags first": {metas(1, 2, 3), "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n" + text(1) + text(3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(c string) reply {
				only := func(n int, all string) string { // a batch of one
					if strings.HasPrefix(c, fmt.Sprintf("UID FETCH %d ", n)) {
						if n == 2 {
							return ""
						}
						return all
					}
					return ""
				}
				switch {
				case strings.HasPrefix(c, "UID SEARCH UID 2 "), c == "UID SEARCH UID 2":
					return reply{data: "* SEARCH 2\r\n"}
				case isSearch(c):
					return reply{data: "* SEARCH 1 2 3\r\n"}
				case isMeta(c) && strings.Contains(c, "FETCH 1:"):
					return reply{data: withheld.meta}
				case isMeta(c):
					return reply{data: only(1, metas(1)) + only(3, metas(3))}
				case isText(c) && strings.Contains(c, "FETCH 1:3"):
					return reply{data: withheld.text}
				case isText(c):
					return reply{data: only(1, text(1)) + only(3, text(3))}
				}
				return reply{}
			})
			sink := newSink(t)
			_, stop := run(t, options(s.listener.Addr().String()), sink)
			got := sink.wait(3)
			stop()
			if got[1].mail.Origin.UID != 2 || got[1].reason == "" {
				t.Errorf("second outcome: uid %d, reason %q", got[1].mail.Origin.UID, got[1].reason)
			}
			wantMails(t, []storedMail{got[0], got[2]}, "INBOX", 0, 1, 3)
		})
	}
}

// Mails out of order are asked for again one by one.
func TestAnswersOutOfOrder(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(c string) reply {
		switch {
		case isSearch(c):
			return reply{data: "* SEARCH 3 1 2\r\n"}
		case isMeta(c):
			return reply{data: metas(3, 2, 1)}
		case isText(c) && strings.Contains(c, ":"):
			return reply{data: text(3) + text(2) + text(1)}
		}
		for n := 1; n <= 3; n++ {
			if strings.HasPrefix(c, fmt.Sprintf("UID FETCH %d ", n)) {
				return reply{data: text(n)}
			}
		}
		return reply{}
	})
	sink := newSink(t)
	_, stop := run(t, options(s.listener.Addr().String()), sink)
	got := sink.wait(3)
	stop()
	wantMails(t, got, "INBOX", 0, 1, 2, 3)
}

// A literal that claims to be huge is neither read nor stored.
func TestFalseLiteralSize(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(c string) reply {
		switch {
		case isSearch(c):
			return reply{data: "* SEARCH 1\r\n"}
		case isMeta(c):
			return reply{data: metas(1)}
		}
		return reply{data: "* 1 FETCH (UID 1 BODY[] {1099511627776}\r\nSubject: corto\r\n", closed: true}
	})
	sink := newSink(t)
	_, stop := run(t, options(s.listener.Addr().String()), sink)
	got := sink.wait(1)
	stop()
	if got[0].reason == "" || len(got[0].body) != 0 {
		t.Errorf("outcome: reason %q, %d bytes; want an empty quarantine", got[0].reason, len(got[0].body))
	}
}

// A password that the server repeats in its answer is not shown.
func TestServerRepeatsThePassword(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
			lines := bufio.NewScanner(c)
			lines.Scan()
			tag, _, _ := strings.Cut(lines.Text(), " ")
			_, _ = fmt.Fprintf(c, "%s NO cannot do %s\r\n", tag, lines.Text())
			c.Close()
		}
	})
	defer serving.Wait()
	defer l.Close()
	source, stop := run(t, options(l.Addr().String()), newSink(t)) // run checks the log
	until(t, "the error is reported", func() bool { return source.Status().Failures > 0 })
	stop()
	if e := source.Status().LastError; strings.Contains(e, secret) || !strings.Contains(e, "log in as") {
		t.Errorf("error %q", e)
	}
}

// FuzzAnswer feeds answers to the commands that bring mails. Whatever comes,
// the source lives, stops when told, and hands nothing short over as whole: the
// sink reports that. What it takes it takes in order, or the sink refuses it.
func FuzzAnswer(f *testing.F) {
	f.Add("* SEARCH 1 2 3\r\n", metas(1, 2, 3), text(1)+text(2)+text(3))
	f.Add("* SEARCH 1 2 3\r\n", metas(1, 2, 3), text(1)+text(2)[:60])
	f.Add("* SEARCH 1\r\n* 9 EXISTS\r\n", metas(1), "* 1 FETCH (UID 1 BODY[] NIL)\r\n")
	f.Add("* ESEARCH (TAG \"T3\") UID ALL 1:4294967295\r\n", metas(1), text(1))
	f.Add("* SEARCH 1 4294967295\r\n", metas(1), "* 1 FETCH (BODY[] {3}\r\nabc UID 1)\r\n")
	f.Add("* SEARCH 1\r\n", "* 1 FETCH (UID 1 BODY[] {5}\r\nabcde)\r\n", "* 1 FETCH (UID 1 BODY[HEADER] {5}\r\nabcde)\r\n")
	f.Add("* SEARCH 2\r\n", metas(2), "* 2 FETCH (UID 2 BODY[] {0}\r\n)\r\n")
	f.Add("* SEARCH 2\r\n", metas(2), "* 2 FETCH (UID 2 BODY[] \"quoted\" BODY[] {3}\r\nabc)\r\n")
	f.Add("* OK [UIDVALIDITY 8] x\r\n", "* BYE\r\n", "+ go\r\n")
	f.Fuzz(func(t *testing.T, search, meta, body string) {
		s := newScript(t, func(c string) reply {
			switch {
			case isSearch(c):
				return reply{data: search}
			case isMeta(c):
				return reply{data: meta}
			}
			return reply{data: body, closed: !strings.HasSuffix(body, "\r\n")}
		})
		o := options(s.listener.Addr().String())
		o.Poll, o.BackoffMin, o.BackoffMax = time.Millisecond, time.Millisecond, time.Millisecond
		o.Command, o.Stall, o.Grace = 50*time.Millisecond, 50*time.Millisecond, 10*time.Millisecond
		source, err := imap.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		done := make(chan error, 1)
		sink := newSink(t)
		go func() { done <- source.Run(ctx, orderSink{sink}) }()
		select {
		case <-s.served: // one connection tells most
			cancel()
		case <-ctx.Done():
		}
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(patience):
			t.Fatal("Run did not return")
		}
	})
}

// orderSink fails where the order of UIDs is broken within what is offered.
type orderSink struct{ *memorySink }

func (s orderSink) Take(ctx context.Context, m ingest.Mail) (ingest.Pending, error) {
	if m.Origin.UID <= m.Previous || m.Origin.UIDValidity == 0 {
		s.t.Errorf("offered uid %d after %d", m.Origin.UID, m.Previous)
	}
	return s.memorySink.Take(ctx, m)
}

package imap_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"radicado/ingest/imap"
)

// offering makes a server that offers more than the default one, refuses one
// command, and holds the mails 1 and 2. It cuts the connection at the third
// search, so that the source logs in twice.
func offering(t *testing.T, caps string, refuse func(command string) (reply, bool)) *script {
	t.Helper()
	searches, moved := 0, false
	s := newScript(t, func(c string) reply {
		if r, ok := refuse(c); ok {
			return r
		}
		switch verb, _, _ := strings.Cut(c, " "); {
		case isSearch(c):
			if searches++; searches == 3 {
				return reply{closed: true}
			}
			if moved {
				return reply{data: "* SEARCH\r\n"}
			}
			return reply{data: "* SEARCH 1 2\r\n"}
		case isMeta(c):
			return reply{data: metas(1, 2)}
		case isText(c):
			return reply{data: text(1) + text(2)}
		case strings.HasPrefix(c, "UID MOVE"), strings.HasPrefix(c, "UID EXPUNGE"):
			moved = true
			return reply{}
		case verb == "CREATE":
			return reply{status: "NO [ALREADYEXISTS] it is there"}
		}
		return reply{}
	})
	s.set(func(s *script) { s.caps = strings.TrimSpace("IMAP4rev1 " + caps) })
	return s
}

// What a server offers and then refuses is asked for once in the life of the
// process, and the work goes on at once in another way.
func TestOfferedAndRefused(t *testing.T) {
	t.Parallel()
	refuse := func(prefix string, with reply) func(string) (reply, bool) {
		return func(c string) (reply, bool) { return with, strings.HasPrefix(c, prefix) }
	}
	bad, no := reply{status: "BAD what?"}, reply{status: "NO not here"}
	for _, tt := range []struct {
		name, caps, command string
		with                reply
		instead             string // a command that must come
	}{
		{"IDLE BAD", "IDLE", "IDLE", bad, "UID SEARCH"},
		{"IDLE NO", "IDLE", "IDLE", no, "UID SEARCH"},
		{"MOVE BAD", "MOVE UIDPLUS", "UID MOVE", bad, "UID COPY 1:2"},
		{"MOVE NO", "MOVE UIDPLUS", "UID MOVE", reply{status: "NO [CANNOT] not here"}, "UID EXPUNGE 1:2"},
		{"ID BAD", "ID", "ID", bad, "UID SEARCH"},
		{"ID kills the library", "ID", "ID", reply{data: "* ID (\"name\" NIL)\r\n"}, "UID SEARCH"},
		{"ENABLE BAD", "ENABLE IMAP4rev2", "ENABLE", bad, "UID SEARCH"},
		{"LIST with RETURN BAD", "SPECIAL-USE LIST-EXTENDED", `LIST "" "*" RETURN`, bad, `LIST "" "*"`},
		{"LIST kills the library", "", "LIST", reply{data: "* LIST () \"/\" \"a&bad\"\r\n"}, "UID SEARCH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := offering(t, tt.caps, refuse(tt.command, tt.with))
			o := options(s.listener.Addr().String())
			if strings.HasPrefix(tt.command, "UID MOVE") {
				o.After = imap.After{Move: "Procesados"}
			}
			if strings.HasPrefix(tt.command, "LIST") {
				o.Folders = []string{"INBOX", "Quejas"}
			}
			if tt.command == "ENABLE" {
				o.Folders = []string{"INBOX", "Peticiones año"}
			}
			sink := newSink(t)
			source, stop := run(t, o, sink)
			sink.wait(2)
			logins := func() int {
				return strings.Count(strings.Join(s.all(), "\n"), "EXAMINE INBOX") + strings.Count(strings.Join(s.all(), "\n"), "SELECT INBOX")
			}
			until(t, "a second connection", func() bool { return logins() >= 2 })
			until(t, "no error is left", func() bool { return source.Status().LastError == "" })
			stop()
			asked := 0
			for _, c := range s.all() {
				if strings.HasPrefix(c, tt.command) {
					asked++
				}
			}
			if asked != 1 {
				t.Errorf("%s was asked for %d times, want once", tt.command, asked)
			}
			if !slices.ContainsFunc(s.all(), func(c string) bool { return strings.HasPrefix(c, tt.instead) && !strings.HasPrefix(c, tt.command) }) {
				t.Errorf("no %q among the commands:\n%s", tt.instead, strings.Join(s.all(), "\n"))
			}
		})
	}
}

// A server that is sent away is told who asks, and only if it wants to know.
func TestTellsWhoAsks(t *testing.T) {
	t.Parallel()
	s := offering(t, "ID", func(c string) (reply, bool) {
		return reply{data: "* ID (\"name\" \"servidor\" \"host\" \"x\")\r\n"}, strings.HasPrefix(c, "ID ")
	})
	o := options(s.listener.Addr().String())
	o.Version = "v1.2.3"
	sink := newSink(t)
	_, stop := run(t, o, sink)
	sink.wait(2)
	stop()
	got := s.all()
	id := slices.Index(got, `ID ("name" "radicado" "version" "v1.2.3")`)
	if open := slices.Index(got, "EXAMINE INBOX"); id < 0 || open < id {
		t.Errorf("commands %q", got)
	}
}

// Servers without room get longer pauses than broken connections, whenever in
// the dialogue and however they say it.
func TestServerWithoutRoom(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ greeting, login, open string }{
		"greeting":            {greeting: "* BYE Too many simultaneous connections"},
		"login, code":         {login: "NO [UNAVAILABLE] try later"},
		"login, limit":        {login: "NO [LIMIT] Maximum number of connections from user+IP exceeded"},
		"login, in use":       {login: "NO [INUSE] mailbox in use"},
		"Gmail":               {login: "NO [ALERT] Too many simultaneous connections. (Failure)"},
		"Microsoft 365, open": {open: "BAD User is authenticated but not connected."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(string) reply { return reply{} })
			s.set(func(s *script) { s.greeting, s.login, s.open = tt.greeting, tt.login, tt.open })
			o := options(s.listener.Addr().String())
			o.BackoffMin, o.BackoffMax = time.Millisecond, 10*time.Minute
			source, stop := run(t, o, newSink(t))
			until(t, "the error is reported", func() bool { return source.Status().Failures >= 3 })
			// 64, 128, 256 ms, each at least halved, against 1, 2, 4.
			took := source.Status().LastErrorAt.Sub(s.begun)
			stop()
			if e := source.Status().LastError; !strings.Contains(e, "waiting longer") {
				t.Errorf("error %q", e)
			}
			if took < 90*time.Millisecond {
				t.Errorf("three connections within %s", took)
			}
		})
	}
}

// A mail that vanishes between its size and its text ends nothing.
func TestMailVanishesBeforeItsText(t *testing.T) {
	t.Parallel()
	gone := false
	s := newScript(t, func(c string) reply {
		uids := []int{1, 2, 3}
		if gone {
			uids = []int{1, 3}
		}
		switch {
		case isSearch(c):
			line := "* SEARCH"
			for _, n := range uids {
				if !strings.HasPrefix(c, "UID SEARCH UID 2") || n != 1 || strings.Contains(c, "*") {
					line += " " + string(rune('0'+n))
				}
			}
			return reply{data: line + "\r\n"}
		case isMeta(c) && strings.Contains(c, "FETCH 2 ") && gone:
			return reply{}
		case isMeta(c) && strings.Contains(c, "FETCH 3 "):
			return reply{data: metas(3)}
		case isMeta(c) && strings.Contains(c, "FETCH 2:3 "), isMeta(c) && gone:
			return reply{data: metas(3)}
		case isMeta(c):
			return reply{data: metas(1, 2, 3)}
		case isText(c) && !gone:
			gone = true
			return reply{data: text(1) + text(3)}
		case isText(c):
			return reply{data: text(3)}
		}
		return reply{}
	})
	sink := newSink(t)
	source, stop := run(t, options(s.listener.Addr().String()), sink)
	got := sink.wait(2)
	until(t, "no error is left", func() bool { return source.Status().LastError == "" && !source.Status().LastSuccess.IsZero() })
	stop()
	wantMails(t, got, "INBOX", 0, 1, 3)
}

// A server that lists only the last so many mails of a range, and says OK, must
// not have us jump over those before them (RFC 9738).
func TestMessageLimit(t *testing.T) {
	t.Parallel()
	const count, limit = 7, 2
	s := newScript(t, func(c string) reply {
		lo, hi := 0, 0
		words := strings.Fields(c)
		if len(words) < 3 {
			return reply{}
		}
		set := words[2]
		if isSearch(c) {
			set = words[3]
		}
		from, to, ranged := strings.Cut(set, ":")
		lo, _ = strconv.Atoi(from)
		if hi, _ = strconv.Atoi(to); !ranged {
			hi = lo
		}
		if hi == 0 || hi > count {
			hi = count
		}
		lo = max(min(lo, count), hi-limit+1)
		line, all, texts := "* SEARCH", []int(nil), ""
		for n := lo; n <= hi; n++ {
			line, all, texts = line+fmt.Sprint(" ", n), append(all, n), texts+text(n)
		}
		switch {
		case isSearch(c):
			return reply{data: line + "\r\n", status: fmt.Sprintf("OK [MESSAGELIMIT %d %d] limited", limit, lo)}
		case isMeta(c):
			return reply{data: metas(all...)}
		case isText(c):
			return reply{data: texts}
		}
		return reply{}
	})
	s.set(func(s *script) { s.caps, s.uidNext = fmt.Sprintf("IMAP4rev1 MESSAGELIMIT=%d", limit), count+1 })
	sink := newSink(t)
	source, stop := run(t, options(s.listener.Addr().String()), sink)
	got := sink.wait(count)
	list, err := source.List(t.Context())
	stop()
	wantMails(t, got, "INBOX", 0, numbers(1, count)...)
	if err != nil || len(list) != 1 || len(list[0].UIDs) != count {
		t.Errorf("list %+v, %v", list, err)
	}
}

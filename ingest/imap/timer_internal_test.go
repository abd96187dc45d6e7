package imap

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"radicado/ingest"
	"radicado/ticket"
)

// emptySink has taken everything.
type emptySink struct{ ingest.Sink }

func (emptySink) Cursor(context.Context, string, string) (ticket.Cursor, error) {
	return ticket.Cursor{}, nil
}

// quietServer is a server with an empty INBOX. It notes when each command came,
// in the bubble's time, and goes silent at the first that begins with silentAt.
type quietServer struct {
	caps     string
	silentAt string
	commands []string
	at       []time.Time
}

func (q *quietServer) serve(c net.Conn) {
	say := func(s string) bool { _, err := io.WriteString(c, s); return err == nil }
	if !say("* OK [CAPABILITY " + q.caps + "] ready\r\n") {
		return
	}
	lines := bufio.NewScanner(c)
	tag := ""
	for lines.Scan() {
		command := lines.Text()
		if command != "DONE" {
			tag, command, _ = strings.Cut(command, " ")
		}
		verb, _, _ := strings.Cut(command, " ")
		q.commands, q.at = append(q.commands, verb), append(q.at, time.Now())
		if q.silentAt != "" && strings.HasPrefix(command, q.silentAt) {
			_, _ = io.Copy(io.Discard, c)
			return
		}
		answer := tag + " OK done\r\n"
		switch verb {
		case "LOGIN":
			answer = tag + " OK [CAPABILITY " + q.caps + "] in\r\n"
		case "EXAMINE":
			answer = "* 0 EXISTS\r\n* OK [UIDVALIDITY 9] ok\r\n* OK [UIDNEXT 1] ok\r\n" + answer
		case "UID":
			answer = "* SEARCH\r\n" + answer
		case "IDLE":
			answer = "+ idling\r\n"
		}
		if !say(answer) {
			return
		}
	}
}

// piped runs a session over a pipe until ctx ends or the session does.
func piped(ctx context.Context, t *testing.T, q *quietServer, proven bool) error {
	t.Helper()
	s, err := New(Options{Mailbox: "soporte", Server: "127.0.0.1:143", Security: SecurityNone, Username: "soporte",
		Password: func(context.Context) (string, error) { return "clave", nil }})
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	served := make(chan struct{})
	go func() { defer close(served); q.serve(server); server.Close() }()
	defer func() { <-served }()
	c := &session{Source: s, sink: emptySink{}, guard: newGuard(client), arrived: make(chan struct{}, 1), proven: proven}
	c.client = imapclient.New(c.guard, nil)
	defer c.close()
	if err := c.login(ctx); err != nil {
		return err
	}
	return c.loop(ctx, context.WithoutCancel(ctx), func() {})
}

// An IDLE that works is ended and begun anew well before the 29 minutes of RFC
// 2177, and its end is a command whose answer is waited for: a day of silence
// is a day of checks that the connection lives.
func TestIdleIsReissued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		q := &quietServer{caps: "IMAP4rev1 IDLE"}
		if err := piped(ctx, t, q, true); err != nil {
			t.Fatal(err)
		}
		idles := 0
		for i, verb := range q.commands {
			if verb != "IDLE" {
				continue
			}
			idles++
			if i+1 < len(q.commands) {
				if lasted := q.at[i+1].Sub(q.at[i]); q.commands[i+1] != "DONE" || lasted > 29*time.Minute {
					t.Errorf("IDLE %d lasted %s and was followed by %s", idles, lasted, q.commands[i+1])
				}
			}
		}
		if idles < 24*60/29 {
			t.Errorf("%d IDLE in a day", idles)
		}
	})
}

// A server without IDLE is asked every Poll, and never idled at.
func TestPollsWithoutIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		q := &quietServer{caps: "IMAP4rev1"}
		if err := piped(ctx, t, q, false); err != nil {
			t.Fatal(err)
		}
		searches := 0
		for _, verb := range q.commands {
			if verb == "IDLE" {
				t.Error("IDLE was asked of a server that does not offer it")
			}
			if verb == "UID" {
				searches++
			}
		}
		if searches < 118 || searches > 121 { // 30 s
			t.Errorf("%d searches in an hour, want 120", searches)
		}
	})
}

// Wherever a server goes silent, the connection ends in time: in the login,
// while an answer is due, and in IDLE, whose silence alone means nothing.
func TestSilentServerIsLeft(t *testing.T) {
	for _, tt := range []struct {
		at     string
		within time.Duration
	}{
		{"LOGIN", 61 * time.Second},
		{"EXAMINE", 61 * time.Second},
		{"UID SEARCH", 61 * time.Second},
		{"IDLE", 61 * time.Second},             // no "+"
		{"DONE", 11*time.Minute + time.Second}, // the link died while it idled
	} {
		t.Run(tt.at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				err := piped(t.Context(), t, &quietServer{caps: "IMAP4rev1 IDLE", silentAt: tt.at}, true)
				if err == nil || !errors.Is(err, errStalled) && !errors.Is(err, errTimeout) {
					t.Errorf("error %v, want %v", err, errStalled)
				}
				if took := time.Since(begun); took > tt.within {
					t.Errorf("left after %s, want within %s", took, tt.within)
				}
			})
		})
	}
}

// A server that reads nothing cannot hold a write for ever.
func TestWriteThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		s := &Source{o: Options{}.withDefaults()}
		c := &session{Source: s, guard: newGuard(client)}
		c.client = imapclient.New(c.guard, nil)
		defer c.close()
		begun := time.Now()
		err := c.do(t.Context(), responseBudget, "noop", func() error { return c.client.Noop().Wait() })
		if err == nil {
			t.Fatal("a command that nobody read has been answered")
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("ended after %s", took)
		}
	})
}

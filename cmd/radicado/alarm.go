package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"time"

	"radicado/ingest/imap"
	"radicado/store"
	"radicado/web"
)

// alarmCommandTime bounds the command of an alarm.
const alarmCommandTime = 30 * time.Second

// watched is a mailbox as the watch sees it.
type watched struct {
	name   string
	status func() imap.Status
}

// watch says which mailboxes are stale: no look for mail succeeded and no mail
// was filed for longer than the desk allows. Its answers follow from the clock,
// so that page, metrics and alarm never contradict each other.
type watch struct {
	after     time.Duration // 0: none is ever stale
	began     time.Time
	mailboxes []watched

	mu    sync.Mutex
	filed map[string]time.Time // the last mail of each mailbox
}

// newWatch begins to watch. It measures durations, so it asks the machine's
// monotonic clock and not the desk's, which may jump.
func newWatch(after time.Duration) *watch {
	return &watch{after: after, began: time.Now(), filed: map[string]time.Time{}}
}

// took notes a filed mail: the first look through a full mailbox lasts longer
// than any alarm should wait.
func (w *watch) took(mailbox string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.filed[mailbox] = time.Now()
}

// since returns when the mailbox last showed that mail is being taken, at the
// earliest when the watch began.
func (w *watch) since(m watched) time.Time {
	w.mu.Lock()
	last := w.filed[m.name]
	w.mu.Unlock()
	for _, t := range []time.Time{w.began, m.status().LastSuccess} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// stale reports whether the mailbox is stale and since when nothing succeeded.
func (w *watch) stale(m watched) (bool, time.Time) {
	since := w.since(m)
	return w.after > 0 && time.Since(since) > w.after, since
}

// stuckAfter is how long a source may give no sign at all, neither success nor
// failure. Each of its steps has a deadline of minutes; only a very large mail
// over a very slow line takes long.
const stuckAfter = time.Hour

// stuck names a mailbox whose goroutine gives no sign, "" if there is none.
func (w *watch) stuck(limit time.Duration) string {
	for _, m := range w.mailboxes {
		last := w.since(m)
		if t := m.status().LastErrorAt; t.After(last) {
			last = t
		}
		if time.Since(last) > limit {
			return m.name
		}
	}
	return ""
}

// alarm tells once of each episode of a stale mailbox and once of its end, by a
// way that needs no mailbox: the log and a command.
type alarm struct {
	watch   *watch
	command []string // argv; empty: none
	env     []string // all that the command sees besides the alarm
	log     *slog.Logger

	raised map[string]bool // touched by run alone
}

// run looks at the mailboxes until ctx ends.
func (a *alarm) run(ctx context.Context) error {
	if a.watch.after <= 0 {
		return nil
	}
	a.raised = map[string]bool{}
	tick := time.NewTicker(min(a.watch.after/4, 15*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, m := range a.watch.mailboxes {
			stale, since := a.watch.stale(m)
			if stale == a.raised[m.name] {
				continue
			}
			a.raised[m.name] = stale
			state := "recovered"
			if stale {
				state = "stale"
				a.log.Error("mailbox is stale: no look for mail has succeeded", "mailbox", m.name, "since", since, "stale_after", a.watch.after, "error", m.status().LastError)
			} else {
				a.log.Info("mailbox is no longer stale", "mailbox", m.name, "since", since)
			}
			if err := a.call(ctx, m.name, state, since); err != nil {
				a.log.Error("alarm command failed", "mailbox", m.name, "state", state, "error", err)
			}
		}
	}
}

// call runs the command without a shell. What it prints is dropped: it may be
// anything, and a log is read by many.
func (a *alarm) call(ctx context.Context, mailbox, state string, since time.Time) error {
	if len(a.command) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, alarmCommandTime)
	defer cancel()
	cmd := exec.CommandContext(bounded, a.command[0], a.command[1:]...)
	cmd.Env = append(a.env[:len(a.env):len(a.env)],
		"RADICADO_MAILBOX="+mailbox, "RADICADO_STATE="+state, "RADICADO_SINCE="+since.UTC().Format(time.RFC3339))
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("run %s: not done after %s, ended", a.command[0], alarmCommandTime)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", a.command[0], err)
	}
	return nil
}

// alarmEnv is the surroundings of the alarm's command: never all of ours, which
// may hold passwords.
func alarmEnv(getenv func(string) string) []string {
	var env []string
	for _, k := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v := getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// health is the watch as the web shows it.
func (w *watch) health() []web.MailboxHealth {
	var out []web.MailboxHealth
	for _, m := range w.mailboxes {
		st := m.status()
		h := web.MailboxHealth{Mailbox: m.name, Connected: st.Connected && st.LastError == "", Since: st.LastSuccess, Error: st.LastError, LastSuccess: st.LastSuccess}
		if !h.Connected {
			h.Since = st.LastErrorAt
		}
		h.Stale, _ = w.stale(m)
		out = append(out, h)
	}
	return out
}

// summary is the watch in one line, for the service manager.
func (w *watch) summary() string {
	connected := 0
	var stale []string
	for _, h := range w.health() {
		if h.Connected {
			connected++
		}
		if h.Stale {
			stale = append(stale, h.Mailbox)
		}
	}
	s := fmt.Sprintf("%d of %d mailboxes connected", connected, len(w.mailboxes))
	if len(stale) > 0 {
		s += "; stale: " + strings.Join(stale, " ")
	}
	return s
}

// alive returns nil if the store's committer and every source give signs of
// life. An update that changes nothing goes through the committer and costs no
// write, so a full disk is no reason to be restarted.
func alive(ctx context.Context, s *store.Store, w *watch) error {
	if err := s.Update(ctx, func(*store.Tx) error { return nil }); err != nil {
		return fmt.Errorf("ask the store: %w", err)
	}
	if m := w.stuck(stuckAfter); m != "" {
		return fmt.Errorf("mailbox %s gives no sign for more than %s", m, stuckAfter)
	}
	return nil
}

package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"radicado/ingest"
)

// logoutTime bounds the courtesy of a LOGOUT.
const logoutTime = time.Second

// session is one connection. Only Run's goroutine uses it, but for arrived,
// which the library's reader sends to.
type session struct {
	*Source
	sink   ingest.Sink
	client *imapclient.Client
	guard  *guard
	caps   goimap.CapSet

	selected *folder   // whose SELECT holds
	resolved time.Time // when the folders' names were looked up
	arrived  chan struct{}
	proven   bool // IDLE has announced a mail on this connection
}

// session connects, takes mails until the connection or ctx ends, and says why
// it ended. healthy is called after each look through all folders.
func (s *Source) session(ctx context.Context, sink ingest.Sink, healthy func()) error {
	// What is under way when ctx ends may finish, for Grace.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		sleep(work, s.o.Grace)
		stop()
	})()

	dialStart := s.o.Now()
	c, err := s.open(ctx, work, sink)
	if err != nil {
		return err
	}
	defer c.close()
	s.setStatus(func(st *Status) { st.Connected = true })
	s.o.Logger.Info("imap connected", "server", s.o.Server, "security", s.o.Security, "idle", c.can(goimap.CapIdle), "took", s.o.Now().Sub(dialStart).Round(time.Millisecond))

	err = c.loop(ctx, work, healthy)
	if ctx.Err() != nil {
		c.logout()
		s.o.Logger.Info("imap disconnected", "reason", "stopped")
	}
	return err
}

// open dials under ctx, and under work logs in and finds the folders. The caller
// closes the session.
func (s *Source) open(ctx, work context.Context, sink ingest.Sink) (c *session, err error) {
	g, err := dial(ctx, s.o)
	if err != nil {
		return nil, err
	}
	c = &session{Source: s, sink: sink, guard: g, arrived: make(chan struct{}, 1)}
	g.expect(s.o.Dial, responseBudget)
	c.client = imapclient.New(g, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: c.onMailbox},
	})
	if err = c.login(work); err != nil {
		err = fmt.Errorf("log in as %s: %w", s.o.Username, err)
	} else if err = c.identify(work); err == nil {
		err = c.resolve(work)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close ends the connection and waits for the library's reader.
func (c *session) close() {
	c.guard.kill(errors.New("closed by us"))
	<-c.client.Closed()
}

func (c *session) logout() {
	if c.guard.why() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), logoutTime)
	defer cancel()
	// Stored is stored: a server that does not say goodbye changes nothing.
	_ = c.do(ctx, responseBudget, "logout", func() error { return c.client.Logout().Wait() })
}

// onMailbox runs in the library's reader, which waits for it.
func (c *session) onMailbox(m *imapclient.UnilateralDataMailbox) {
	c.guard.replenish() // a server that announces for hours is not flooding
	if m.NumMessages == nil {
		return
	}
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// do runs one command to its end. Its time is over after Command, or when ctx
// ends, or when no byte came for Stall: then the connection is closed, which is
// the only thing that frees the library's waiters.
func (c *session) do(ctx context.Context, budget int64, what string, command func() error) error {
	timer := time.AfterFunc(c.o.Command, func() { c.guard.kill(errTimeout) })
	defer timer.Stop()
	return c.doUntimed(ctx, budget, what, command)
}

// doUntimed is do bound by Stall and ctx alone.
func (c *session) doUntimed(ctx context.Context, budget int64, what string, command func() error) error {
	defer context.AfterFunc(ctx, func() { c.guard.kill(ctx.Err()) })()
	c.guard.expect(c.o.Stall, budget)
	err := command()
	c.guard.rest()
	if err == nil {
		return nil
	}
	// The library's word for a connection that we closed says less than why.
	if why := c.guard.why(); why != nil && !isAnswer(err) {
		if errors.Is(why, errCut) {
			why = fmt.Errorf("%w (%w)", why, err)
		}
		err = why
	}
	return fmt.Errorf("%s: %w", what, err)
}

// isAnswer reports whether the server answered NO or BAD, so that the
// connection can go on.
func isAnswer(err error) bool {
	var e *goimap.Error
	return errors.As(err, &e)
}

func (c *session) login(ctx context.Context) error {
	if err := c.do(ctx, responseBudget, "greeting", c.client.WaitGreeting); err != nil {
		return err
	}
	if c.client.State() != goimap.ConnStateNotAuthenticated {
		return errors.New("the server says that we are logged in already")
	}
	if err := c.capabilities(ctx); err != nil {
		return err
	}
	if err := c.credentials(ctx); err != nil {
		return err
	}
	return c.capabilities(ctx)
}

func (c *session) capabilities(ctx context.Context) error {
	return c.do(ctx, responseBudget, "capability", func() error {
		if c.caps = c.client.Caps(); c.caps == nil {
			return errors.New("the server does not tell its capabilities")
		}
		return nil
	})
}

// hide takes out of an error what a server may have repeated of a secret.
func hide(err error, secret string) error {
	if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
		return errors.New("refused; the server's answer repeats the secret and is not shown")
	}
	return err
}

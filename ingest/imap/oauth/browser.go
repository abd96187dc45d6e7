package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// LoginBrowser is Login by a browser that reaches this machine: the authority
// sends it to a port of loopback with a code (RFC 8252 section 7.3, with PKCE).
// Google gives mailboxes in no other way. Port 0 takes a free one; over ssh a
// fixed one can be forwarded. A refusal is an *Error.
func LoginBrowser(ctx context.Context, o Options, port int, show func(Prompt)) (err error) {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("oauth2 options: %w", err)
	}
	if o.TokenFile == "" || CheckURL(o.Authority.AuthURL) != nil {
		return errors.New("oauth2 login by browser: the token file or the authority's page is missing")
	}
	o = o.withDefaults()
	c, err := o.config()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("wait for the browser: %w", err)
	}
	c.RedirectURL = "http://" + l.Addr().String() + "/"
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	type answer struct {
		code string
		err  error
	}
	answers := make(chan answer, 1)
	server := &http.Server{
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 32 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			// Any page in the browser can come here; only the authority knows state.
			if r.URL.Path != "/" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
				http.NotFound(w, r)
				return
			}
			a := answer{code: q.Get("code")}
			if a.code == "" {
				a.err = &Error{Code: clean(q.Get("error"), 60, nil), Description: clean(q.Get("error_description"), 300, nil), Status: http.StatusOK}
			}
			select {
			case answers <- a:
			default: // the first one counts
			}
			fmt.Fprintln(w, "radicado: puede cerrar esta ventana. / You may close this window.")
		}),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // ends by Shutdown
	}()
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			server.Close()
		}
		<-served
	}()

	ends := time.Now().Add(maxCodeLife)
	wait, cancel := context.WithDeadline(ctx, ends)
	defer cancel()
	show(Prompt{Ends: ends, URL: c.AuthCodeURL(state, oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("prompt", "consent"))}) // without it Google gives no second refresh token
	var a answer
	select {
	case a = <-answers:
	case <-wait.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Error{Code: "expired_token", Description: "nobody logged in in time"}
	}
	if a.err != nil {
		return fmt.Errorf("wait for the login: %w", a.err)
	}
	t, err := c.Exchange(o.client(ctx), a.code, oauth2.VerifierOption(verifier))
	if err != nil {
		return fmt.Errorf("exchange the code: %w", strip(err, c.ClientSecret, a.code, verifier))
	}
	return keep(o, t)
}

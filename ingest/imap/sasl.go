package imap

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// The mechanisms for passwords beside PLAIN. SCRAM (RFC 5802, RFC 7677) never
// sends the password and makes the server prove that it knows it.
const (
	scramSHA256 = "SCRAM-SHA-256"
	scramSHA1   = "SCRAM-SHA-1"
	cramMD5     = "CRAM-MD5" // RFC 2195
	loginVerb   = "LOGIN"    // the command, not the mechanism
)

// mechanisms lists the ways to log in by password that the server offers, best
// first. Under TLS CRAM-MD5 comes last: it hides from the server what it has to
// keep readable for it. Without TLS, which only loopback addresses may have, it
// comes before what sends the password.
func (c *session) mechanisms() (list []string) {
	order := []string{scramSHA256, scramSHA1, sasl.Plain, loginVerb, cramMD5}
	if c.o.Security == SecurityNone {
		order = []string{scramSHA256, scramSHA1, cramMD5, sasl.Plain, loginVerb}
	}
	for _, m := range order {
		if m == loginVerb && c.can(goimap.AuthCap(sasl.Plain)) {
			continue // the same to the server
		}
		if m == loginVerb && !c.caps.Has(goimap.CapLoginDisabled) || m != loginVerb && c.can(goimap.AuthCap(m)) {
			list = append(list, m)
		}
	}
	return list
}

// passwordLogin logs in by the best mechanism. Servers offer SCRAM and have
// only a hash of another kind: so where it is refused, the next way is tried,
// once, and if that is taken the first is not tried again. A wrong password
// costs two attempts and not five.
func (c *session) passwordLogin(ctx context.Context, password string) error {
	list := c.mechanisms()
	if len(list) == 0 {
		return fmt.Errorf("the server offers no login by password here (security %s)", c.o.Security)
	}
	first := c.authenticate(ctx, list[0], password)
	if !ofCredentials(first) || len(list) == 1 || list[0] == sasl.Plain || list[0] == loginVerb {
		return first
	}
	if err := c.authenticate(ctx, list[1], password); err != nil {
		if ofCredentials(err) {
			return first
		}
		return err
	}
	c.refuses(goimap.AuthCap(list[0]), first)
	return nil
}

func (c *session) authenticate(ctx context.Context, mechanism, password string) error {
	return c.do(ctx, responseBudget, "authenticate by "+mechanism, func() error {
		switch mechanism {
		case sasl.Plain:
			return c.client.Authenticate(sasl.NewPlainClient("", c.o.Username, password))
		case loginVerb:
			return c.client.Login(c.o.Username, password).Wait()
		case cramMD5:
			return c.client.Authenticate(&cram{username: c.o.Username, password: password})
		}
		s, err := newScram(mechanism, c.o.Username, password, c.guard)
		if err != nil {
			return err
		}
		if err := c.client.Authenticate(s); err != nil {
			return err
		}
		if !s.conversation.Valid() {
			return errors.New("the server did not prove that it knows the password")
		}
		return nil
	})
}

// cram is a SASL client for CRAM-MD5.
type cram struct{ username, password string }

// Start sends nothing: the server begins.
func (c *cram) Start() (string, []byte, error) { return cramMD5, nil, nil }

// Next answers the challenge.
func (c *cram) Next(challenge []byte) ([]byte, error) {
	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write(challenge)
	return []byte(c.username + " " + hex.EncodeToString(mac.Sum(nil))), nil
}

// maxIterations bounds what a server may make us reckon: about a second.
const maxIterations = 2_000_000

var iterations = regexp.MustCompile(`(?:^|,)i=([0-9]+)(?:,|$)`)

// scramClient is a SASL client for SCRAM, without channel binding.
type scramClient struct {
	mechanism    string
	conversation *scram.ClientConversation
	guard        *guard
}

func newScram(mechanism, username, password string, g *guard) (*scramClient, error) {
	hash := scram.SHA256
	if mechanism == scramSHA1 {
		hash = scram.SHA1
	}
	client, err := hash.NewClient(username, password, "")
	if err != nil {
		// Not allowed by SASLprep (RFC 4013), but the server may know it all the same.
		client, err = hash.NewClientUnprepped(username, password, "")
	}
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", mechanism, err)
	}
	return &scramClient{mechanism: mechanism, conversation: client.NewConversation(), guard: g}, nil
}

// Start gives the client's first message.
func (s *scramClient) Start() (string, []byte, error) {
	first, err := s.conversation.Step("")
	return s.mechanism, []byte(first), err
}

// Next answers the server's first message with the proof, and its last with
// nothing.
func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	if m := iterations.FindSubmatch(challenge); m != nil {
		if n, err := strconv.Atoi(string(m[1])); err != nil || n > maxIterations {
			return nil, fmt.Errorf("%s: the server asks for more than %d iterations", s.mechanism, maxIterations)
		}
	}
	answer, err := s.conversation.Step(string(challenge))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.mechanism, err)
	}
	if answer == "" {
		s.guard.emptyLine()
	}
	return []byte(answer), nil
}

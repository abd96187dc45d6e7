package imap

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// keepAlive finds dead links while an IDLE is silent.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 4}

// dial connects and secures the connection. With STARTTLS the greeting has been
// read; the guard then begins with one of ours.
func dial(ctx context.Context, o Options) (*guard, error) {
	host, _, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", o.Server, err)
	}
	dialer := &net.Dialer{Timeout: o.Dial, KeepAliveConfig: keepAlive}
	raw, err := dialer.DialContext(ctx, "tcp", o.Server)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// A name may resolve to anything: what counts is where we got.
	if o.Security == SecurityNone {
		if !o.AllowPlain && !isLoopback(raw.RemoteAddr()) {
			raw.Close()
			return nil, fmt.Errorf("connect: %s is not a loopback address, and security is none", raw.RemoteAddr())
		}
		return newGuard(raw), nil
	}

	pool, err := roots(o.CAFile)
	if err != nil {
		raw.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Dial)
	defer cancel()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if o.Security == SecurityStartTLS {
		if err := startTLS(raw); err != nil {
			raw.Close()
			return nil, fmt.Errorf("starttls: %w", cmpErr(ctx.Err(), err))
		}
	}
	secure := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: pool, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	g := newGuard(secure)
	if o.Security == SecurityStartTLS {
		g.br.Reset(io.MultiReader(strings.NewReader("* OK secured\r\n"), secure))
	}
	return g, nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// roots returns the system's roots and those in path; nil, which means the
// system's, where path is "".
func roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := readCA(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate", path)
	}
	return pool, nil
}

// startTLS reads the greeting and asks for TLS. It is done here and not by the
// library, since the guard must sit above TLS. Nothing that came in clear is
// kept: an attacker could have put it there (RFC 9051 section 11.3).
func startTLS(c net.Conn) error {
	greeting, err := plainLine(c)
	if err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	if !bytes.HasPrefix(greeting, []byte("* OK")) {
		return errors.New("the greeting is not OK") // PREAUTH leaves no way to TLS
	}
	if _, err := io.WriteString(c, "S STARTTLS\r\n"); err != nil {
		return err
	}
	for range 100 {
		line, err := plainLine(c)
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		switch {
		case bytes.HasPrefix(line, []byte("S OK")):
			return nil
		case bytes.HasPrefix(line, []byte("* ")):
		default:
			return errors.New("the server refuses it")
		}
	}
	return errFlood
}

// plainLine reads a line byte by byte, so that nothing behind it is taken from
// the connection.
func plainLine(c net.Conn) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < 8<<10 {
		if _, err := io.ReadFull(c, one); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return line, nil
		}
		line = append(line, one[0])
	}
	return nil, errFlood
}

func cmpErr(first, otherwise error) error {
	if first != nil {
		return first
	}
	return otherwise
}

//go:build linux

package imap

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// The kernel probes a link on which nothing moves: TCP keepalive is on, with
// the times of keepAlive.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g, err := dial(context.Background(), Options{Server: l.Addr().String(), Security: SecurityNone}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	conn, ok := g.Conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("a %T", g.Conn)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ level, option, want int }{
		"on":       {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		"idle":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(keepAlive.Idle.Seconds())},
		"interval": {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(keepAlive.Interval.Seconds())},
		"count":    {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepAlive.Count},
	} {
		var got int
		var optErr error
		err := raw.Control(func(fd uintptr) { got, optErr = syscall.GetsockoptInt(int(fd), tt.level, tt.option) })
		if err != nil || optErr != nil || got != tt.want {
			t.Errorf("%s: %d, %v, %v; want %d", name, got, err, optErr, tt.want)
		}
	}
}

package imaptest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
)

// Proxy stands between a client and a server and does what bad networks and
// bad servers do. Faults hold for connections made after they are set.
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex
	fault Fault
	conns map[net.Conn]bool
	count int
	sent  bytes.Buffer
}

// Fault is what a proxy does to what the server sends. The zero value does
// nothing.
type Fault struct {
	// After: this many bytes of the server's are passed on before the fault.
	After int64
	// Trigger: the bytes are counted from the first occurrence of this text,
	// within one read; "" counts from the beginning.
	Trigger string
	// Cut closes both sides then.
	Cut bool
	// Reset ends the client's side with a TCP reset then.
	Reset bool
	// Stall passes nothing on from then, but keeps the connection.
	Stall bool
	// Inject is sent to the client then, once, before the rest.
	Inject string
	// Flood is sent to the client without end then.
	Flood string
	// Once: connections after the first one that met the fault are sound.
	Once bool
}

func (f Fault) set() bool {
	return f.Cut || f.Stall || f.Reset || f.Inject != "" || f.Flood != ""
}

// NewProxy starts a proxy to target on a free port of 127.0.0.1.
func NewProxy(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	p := &Proxy{listener: listener, target: target, conns: make(map[net.Conn]bool)}
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set sets the fault of connections to come.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Drop closes all connections there are.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Connections returns how many have been made.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Sent returns what the clients have sent, up to a megabyte of it.
func (p *Proxy) Sent() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.String()
}

// record is a proxy that keeps what is written to it.
type record Proxy

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent.Len() < 1<<20 {
		r.sent.Write(b)
	}
	return len(b), nil
}

// Close ends the proxy and its connections and waits for them.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Drop()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.count++
		fault := p.fault
		p.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(io.MultiWriter(server, (*record)(p)), client); server.Close() })
		both.Go(func() { p.toClient(client, server, fault); client.Close() })
		p.running.Go(func() {
			both.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.conns, client)
			delete(p.conns, server)
		})
	}
}

func (p *Proxy) toClient(client, server net.Conn, fault Fault) {
	armed := fault.set() && fault.Trigger == ""
	left := fault.After
	buf := make([]byte, 4096)
	for {
		n, err := server.Read(buf)
		b := buf[:n]
		if fault.set() && !armed {
			if i := bytes.Index(b, []byte(fault.Trigger)); i >= 0 {
				armed = true
				left += int64(i)
			}
		}
		if armed && int64(n) >= left {
			if _, err := client.Write(b[:left]); err != nil {
				return
			}
			if !p.strike(client, server, fault) {
				return
			}
			b, armed, fault = b[left:], false, Fault{}
		} else if armed {
			left -= int64(n)
		}
		if _, err := client.Write(b); err != nil || n == 0 {
			server.Close()
			return
		}
		if err != nil {
			return
		}
	}
}

// strike does the fault and reports whether the connection goes on.
func (p *Proxy) strike(client, server net.Conn, fault Fault) bool {
	if fault.Once {
		p.Set(Fault{})
	}
	switch {
	case fault.Inject != "":
		_, err := io.WriteString(client, fault.Inject)
		return err == nil
	case fault.Flood != "":
		for {
			if _, err := io.WriteString(client, fault.Flood); err != nil {
				server.Close()
				return false
			}
		}
	case fault.Reset:
		if tcp, ok := client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // Close then sends RST
		}
	case fault.Stall:
		_, _ = io.Copy(io.Discard, server) // until the client goes away
	}
	server.Close()
	return false
}

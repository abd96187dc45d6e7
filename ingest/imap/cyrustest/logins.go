package cyrustest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// logins is who Cyrus asks about passwords, in the protocol of saslauthd: the
// client sends user, password, service and realm, each with its length in two
// bytes before it, and is told OK or NO in the same form.
type logins struct {
	listener net.Listener
	password func(user string) string
	running  sync.WaitGroup
}

// listenLogins answers at a socket that any user of the machine may open, as
// Cyrus runs as another one.
func listenLogins(path string, password func(user string) string) (*logins, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for logins: %w", err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		listener.Close()
		return nil, err
	}
	l := &logins{listener: listener, password: password}
	l.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.running.Go(func() {
				defer conn.Close()
				_ = l.answer(conn) // Cyrus takes none for a no
			})
		}
	})
	return l, nil
}

func (l *logins) close() {
	l.listener.Close()
	l.running.Wait()
}

func (l *logins) answer(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	var fields [4]string
	for i := range fields {
		var size uint16
		if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
			return err
		}
		field := make([]byte, size)
		if _, err := io.ReadFull(conn, field); err != nil {
			return err
		}
		fields[i] = string(field)
	}
	answer := "NO"
	if want := l.password(fields[0]); want != "" && fields[1] == want {
		answer = "OK"
	}
	size := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
	_, err := conn.Write(append(size, answer...))
	return err
}

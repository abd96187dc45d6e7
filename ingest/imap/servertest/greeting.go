package servertest

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// answers connects again and again until an IMAP greeting comes, the process
// has ended, or startTime is over.
func answers(addr string, secure bool, ended <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(startTime)
	for {
		err := greeting(addr, secure)
		if err == nil {
			return nil
		}
		select {
		case <-over:
			return err
		case <-ended:
			return fmt.Errorf("the process ended; last: %w", err)
		case <-tick.C:
		}
	}
}

func greeting(addr string, secure bool) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if secure {
		// Only to see it answer: tests verify by CAFile.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	head := make([]byte, 4)
	if _, err := conn.Read(head); err != nil {
		return err
	}
	if string(head) != "* OK" {
		return fmt.Errorf("greeting begins with %q", head)
	}
	return nil
}

package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// statusConn sends the status of pull requests in the first line of the headers, where clients expect it and which nats.go cannot
// write.
type statusConn struct {
	server         inProcess
	user, password string

	mu   sync.Mutex
	conn net.Conn
	done chan struct{} // closed when conn is no longer read
}

// statusTimeout bounds each write, and the handshake.
const statusTimeout = 5 * time.Second

// openStatusConn connects within the process.
func openStatusConn(s inProcess, user, password string) (*statusConn, error) {
	c := &statusConn{server: s, user: user, password: password}
	return c, c.open()
}

// open connects. The lock is held, or the connection is not shared yet.
func (c *statusConn) open() error {
	conn, err := c.server.InProcessConn()
	if err != nil {
		return err
	}
	lines := bufio.NewReader(conn)
	_ = conn.SetDeadline(time.Now().Add(statusTimeout))
	if _, err = lines.ReadString('\n'); err == nil { // INFO
		_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"protocol\":1,\"name\":\"crm-bridge\",\"user\":%q,\"pass\":%q}\r\n", c.user, c.password)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	_ = conn.SetDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "PING") {
				c.pong(conn)
			}
		}
	}()
	c.conn, c.done = conn, done
	return nil
}

func (c *statusConn) pong(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = writeSoon(conn, "PONG\r\n")
}

func writeSoon(conn net.Conn, text string) error {
	_ = conn.SetWriteDeadline(time.Now().Add(statusTimeout))
	_, err := conn.Write([]byte(text))
	return err
}

// send sends the status of a request to its inbox. If it is lost, the client's own timeout ends the request.
func (c *statusConn) send(inbox, status string) {
	headers := "NATS/1.0 " + status + "\r\n\r\n"
	text := fmt.Sprintf("HPUB %s %d %d\r\n%s\r\n", inbox, len(headers), len(headers), headers)
	c.mu.Lock()
	defer c.mu.Unlock()
	if writeSoon(c.conn, text) != nil {
		_ = c.conn.Close()
		if c.open() == nil {
			_ = writeSoon(c.conn, text)
		}
	}
}

func (c *statusConn) close() {
	c.mu.Lock()
	conn, done := c.conn, c.done
	c.mu.Unlock()
	_ = conn.Close()
	<-done
}

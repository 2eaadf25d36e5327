package publish

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// statusConn says how a pull request ended, in the line of the headers in which clients look for it and which nats.go cannot
// write.
type statusConn struct {
	mu   sync.Mutex
	conn net.Conn
	done chan struct{}
}

// openStatusConn connects within the process.
func openStatusConn(s *server.Server, user, password string) (*statusConn, error) {
	conn, err := s.InProcessConn()
	if err != nil {
		return nil, err
	}
	c := &statusConn{conn: conn, done: make(chan struct{})}
	lines := bufio.NewReader(conn)
	if _, err := lines.ReadString('\n'); err != nil { // INFO
		return nil, err
	}
	if err := c.write(fmt.Sprintf("CONNECT {\"verbose\":false,\"headers\":true,\"protocol\":1,\"name\":\"crm-bridge\",\"user\":%q,\"pass\":%q}\r\n", user, password)); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.done)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if len(line) >= 4 && line[:4] == "PING" {
				_ = c.write("PONG\r\n")
			}
		}
	}()
	return c, nil
}

func (c *statusConn) write(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(gateTimeout))
	_, err := c.conn.Write([]byte(text))
	return err
}

// send says how the request whose reply goes to an inbox ended. A status that is lost is made up for by the client's own clock.
func (c *statusConn) send(inbox, status string) {
	headers := "NATS/1.0 " + status + "\r\n\r\n"
	_ = c.write(fmt.Sprintf("HPUB %s %d %d\r\n%s\r\n", inbox, len(headers), len(headers), headers))
}

func (c *statusConn) close() {
	_ = c.conn.Close()
	<-c.done
}

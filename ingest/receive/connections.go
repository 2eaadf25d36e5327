package receive

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Connections limits the connections of a server and the bytes of their unfinished headers. At the limit a new connection closes the
// one that has been idle longest, else the one whose header has been unfinished longest; if there is neither, it waits. Set the fields
// once, then wrap one listener, and set Track as the server's ConnState.
type Connections struct {
	Max         int    // open at once, beside one that waits
	HeaderBytes int64  // of all unfinished headers; beyond it the oldest are cut
	TLS         bool   // the listener is below TLS: a cut connection gets no answer
	Unwatched   bool   // no handler needs its request's context to end when the client closes the connection
	Label       string // of the metric
	Metrics     *Metrics

	mu      sync.Mutex
	open    int
	bytes   int64
	idle    queue
	headers queue
	changed chan struct{}
}

const (
	// headerPatience is how long a header may be unfinished before its connection is closed for another one.
	headerPatience = 500 * time.Millisecond
	// roomEvery is how often a waiting connection checks whether another one can be closed.
	roomEvery = 50 * time.Millisecond
	// closePatience is how long a connection that was accepted still waits for room when the listener is closed: its callback would be
	// lost, while those in service end with the drain.
	closePatience = 5 * time.Second
)

// Limit returns listener with the limit.
func (c *Connections) Limit(listener net.Listener) net.Listener {
	c.changed = make(chan struct{}, 1)
	return &limited{Listener: listener, of: c, closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	of     *Connections
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	var patience <-chan time.Time
	closed := l.closed
	for !l.of.enter() {
		select {
		case <-l.of.changed:
		case <-time.After(roomEvery):
		case <-closed:
			closed, patience = nil, time.After(closePatience)
		case <-patience:
			_ = inner.Close()
			return nil, net.ErrClosed
		}
	}
	return l.of.opened(inner), nil
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// enter counts a connection if there is room for it, and reports whether there was.
func (c *Connections) enter() bool {
	c.mu.Lock()
	if c.open < c.Max {
		c.open++
		c.mu.Unlock()
		return true
	}
	victim := c.idle.first
	if oldest := c.headers.first; victim == nil && oldest != nil && time.Since(oldest.since) >= headerPatience {
		victim = oldest
	}
	c.mu.Unlock()
	if victim == nil {
		return false
	}
	c.Metrics.limitHits.WithLabelValues(c.Label).Inc()
	victim.cut()
	return false // it is counted when it is closed
}

// phase is the state of a connection.
type phase int

const (
	serving phase = iota // of a request
	waiting              // for the first byte of the next request
	reading              // a header
)

// conn is a counted connection.
type conn struct {
	net.Conn
	of *Connections

	// Under the lock of Connections:
	phase  phase
	since  time.Time // the header is being read
	place            // in the queue of its phase
	header int64     // bytes of the header that is being read
	began  bool      // net/http has begun to watch it during the request that is served
	closed bool
}

func (c *Connections) opened(inner net.Conn) *conn {
	one := &conn{Conn: inner, of: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enterPhase(one, reading)
	return one
}

// enterPhase moves a connection to the queue of its new phase.
func (c *Connections) enterPhase(one *conn, next phase) {
	one.leave()
	c.bytes -= one.header
	one.phase, one.header, one.began = next, 0, false
	switch {
	case one.closed:
	case next == waiting:
		c.idle.push(one)
	case next == reading:
		one.since = time.Now()
		c.headers.push(one)
	}
}

// Track is for http.Server.ConnState. A connection becomes active when the server has read a whole header.
func (c *Connections) Track(of net.Conn, state http.ConnState) {
	if secure, ok := of.(*tls.Conn); ok {
		of = secure.NetConn()
	}
	one, ok := of.(*conn)
	if !ok {
		return
	}
	c.mu.Lock()
	switch state {
	case http.StateActive:
		c.enterPhase(one, serving)
	case http.StateIdle:
		c.enterPhase(one, waiting)
	}
	c.mu.Unlock()
	c.wake()
}

func (c *Connections) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Read implements net.Conn. A header that does not come in time is answered with 408.
func (o *conn) Read(p []byte) (int, error) {
	if len(p) == 1 && o.of.Unwatched && o.of.beginsWatch(o) {
		return 0, nil
	}
	n, err := o.Conn.Read(p)
	if n > 0 && !o.of.count(o, n) {
		return 0, net.ErrClosed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && o.endHeader() {
		o.timeOut()
	}
	return n, err
}

// beginsWatch reports whether a read of one byte is the one with which net/http, once it has a whole request, waits for the end of the
// connection. Each costs a system call, a wake-up and two deadlines. It ends with no byte and no error instead, and the next request is
// read as ever. All other reads of net/http fill a buffer; if that has room for one byte only, the second attempt reads it.
func (c *Connections) beginsWatch(one *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	begins := one.phase == serving && !one.began
	one.began = one.began || begins
	return begins
}

// count counts n bytes, if they are of a header. It reports whether the connection may continue.
func (c *Connections) count(one *conn, n int) bool {
	c.mu.Lock()
	if one.phase == waiting {
		c.enterPhase(one, reading)
	}
	if one.phase != reading {
		c.mu.Unlock()
		return true
	}
	one.header += int64(n)
	c.bytes += int64(n)
	var cut []*conn
	for oldest := c.headers.first; oldest != nil && c.bytes > c.HeaderBytes; {
		next := oldest.next
		if oldest.header > 0 {
			cut = append(cut, oldest)
			c.enterPhase(oldest, serving) // so that it is not found again
		}
		oldest = next
	}
	c.mu.Unlock()
	goesOn := true
	for _, oldest := range cut {
		c.Metrics.limitHits.WithLabelValues(c.Label + "_header_bytes").Inc()
		oldest.timeOut()
		if goesOn = goesOn && oldest != one; oldest != one {
			_ = oldest.Close()
		}
	}
	return goesOn
}

// endHeader reports whether a part of a header has arrived that is not answered yet; the caller answers it. The server may read again
// after a deadline.
func (o *conn) endHeader() bool {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	if o.phase != reading || o.header == 0 {
		return false
	}
	o.of.enterPhase(o, serving)
	return true
}

// cut closes the connection, with an answer if a part of a header has arrived.
func (o *conn) cut() {
	if o.endHeader() {
		o.timeOut()
	}
	_ = o.Close()
}

// timeOut answers an unfinished header.
func (o *conn) timeOut() {
	if o.of.TLS {
		return
	}
	if o.Conn.SetWriteDeadline(time.Now().Add(10*time.Millisecond)) == nil {
		_, _ = o.Conn.Write(rawProblem(http.StatusRequestTimeout, "The header did not arrive in time."))
	}
}

// Close implements net.Conn.
func (o *conn) Close() error {
	o.of.mu.Lock()
	if !o.closed {
		o.closed = true
		o.of.open--
		o.of.enterPhase(o, serving)
	}
	o.of.mu.Unlock()
	o.of.wake()
	return o.Conn.Close()
}

// CloseWrite lets the server close its half, so that the peer gets the last answer while it still sends.
func (o *conn) CloseWrite() error {
	if half, ok := o.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

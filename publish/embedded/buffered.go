package embedded

import (
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// maxWaiting is how many bytes may wait for the server before a Write waits too. The last Write may exceed it.
	maxWaiting = 256 << 10
	// closeWait bounds how long Close waits until the server has read what was written.
	closeWait = time.Second
	// maxPiece is one byte less than a size of the server's read buffer. The server doubles that after a read that fills it, and halves it
	// after three that fill less than half. Pieces of half of it or more do neither; in each other case there is a new buffer.
	maxPiece = 16<<10 - 1
)

// buffered is a connection within the process with a buffer in front of it. A pipe has none, so a Write takes until the other side has
// read all of it, and nats.go writes under the lock that each publisher needs.
type buffered struct {
	net.Conn
	passed sync.WaitGroup // pass has ended

	mu       sync.Mutex
	changed  *sync.Cond // one of those below has changed, or the deadline is over
	waiting  []byte     // for the server
	deadline time.Time  // of Write; zero: none
	err      error      // why nothing more can be written
}

// buffer returns conn with a buffer for what is written. Close ends its goroutine.
func buffer(conn net.Conn) *buffered {
	b := &buffered{Conn: conn}
	b.changed = sync.NewCond(&b.mu)
	b.passed.Go(b.pass)
	return b
}

// pass passes on what waits, until the connection is closed or fails.
func (b *buffered) pass() {
	var taken []byte
	for {
		if taken = b.take(taken); len(taken) == 0 {
			return
		}
		pieces := (len(taken)-1)/maxPiece + 1 // of equal size
		for piece := range slices.Chunk(taken, (len(taken)-1)/pieces+1) {
			if _, err := b.Conn.Write(piece); err != nil {
				b.end(err)
				return
			}
		}
	}
}

// take waits for bytes to pass on, and returns none when there will be no more. The next ones are collected in the array of those before.
func (b *buffered) take(before []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil && len(b.waiting) == 0 {
		b.changed.Wait()
	}
	if cap(before) > 2*maxWaiting { // a large message need not stay in memory
		before = nil
	}
	taken := b.waiting
	b.waiting = before[:0]
	b.changed.Broadcast()
	return taken
}

// end has every Write from now on return err, unless they already fail.
func (b *buffered) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.changed.Broadcast()
}

// Write puts data into the buffer; it waits only while that is full. It writes all or nothing.
func (b *buffered) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch full := len(b.waiting) >= maxWaiting; {
		case b.err != nil:
			return 0, b.err
		case !b.deadline.IsZero() && !time.Now().Before(b.deadline):
			return 0, os.ErrDeadlineExceeded
		case !full:
			b.waiting = append(b.waiting, data...)
			b.changed.Broadcast()
			return len(data), nil
		}
		b.await()
	}
}

// await returns when something has changed or the deadline is over. The caller holds the mutex.
func (b *buffered) await() {
	if !b.deadline.IsZero() {
		late := time.AfterFunc(time.Until(b.deadline), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changed.Broadcast()
		})
		defer late.Stop()
	}
	b.changed.Wait()
}

// SetWriteDeadline sets until when a Write waits for room in the buffer.
func (b *buffered) SetWriteDeadline(at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = at
	b.changed.Broadcast()
	return nil
}

// SetDeadline sets until when Read waits for data, and Write for room in the buffer.
func (b *buffered) SetDeadline(at time.Time) error {
	_ = b.SetWriteDeadline(at) // it never fails
	return b.Conn.SetReadDeadline(at)
}

// Close closes the connection when the server has read what was written, or after closeWait.
func (b *buffered) Close() error {
	b.end(net.ErrClosed)
	_ = b.Conn.SetWriteDeadline(time.Now().Add(closeWait)) // it fails if the server has closed the connection, and then pass ends at once
	b.passed.Wait()
	return b.Conn.Close()
}

package embedded

import (
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// turnMost is how long a request waits for a connection that does not read what it was sent; then it times out.
	turnMost = 5 * time.Second
	// turnEvery is how often such a connection is checked.
	turnEvery = time.Millisecond
	// turnQueue is how many requests of a connection may wait, and turnConns how many connections are remembered.
	turnQueue, turnConns = 512, 4096
)

// scheduler gives each connection of readers slices, one after the other, when the connection has read what it was sent.
type scheduler struct {
	server   *server.Server
	ended    <-chan struct{}
	pass     func(p pull, length time.Duration) // forwards a request, for a slice of so much time
	timedOut func(pull)                         // answers a request that has had its time

	mu      sync.Mutex
	conns   map[uint64]*connQueue
	slices  map[string]lastSlice // by consumer
	asked   map[string]uint64    // number of requests, by inbox
	waiting sync.WaitGroup
}

// lastSlice is a consumer's last slice.
type lastSlice struct {
	delivered uint64 // before it
	empty     int    // slices before it, in a row, that brought nothing
	end       time.Time
}

// connQueue is a connection's last request that was forwarded, and those that wait.
type connQueue struct {
	queue []pull
	batch int64     // messages that the last one requested
	sent  traffic   // before it
	begun time.Time // when its slice began
	over  time.Time // when its slice is over
}

// traffic is what was sent to a connection, and what of it waits.
type traffic struct {
	messages, bytes int64
	waiting         int // bytes
}

// shortened returns the length of a slice, shortened so that it brings about sliceBytes if it is as fast as the connection's last one.
func (last connQueue) shortened(length time.Duration, sent traffic) time.Duration {
	bytes := sent.bytes - last.sent.bytes
	if bytes <= sliceBytes || last.begun.IsZero() {
		return length
	}
	return min(length, max(sliceLeast, time.Duration(float64(last.over.Sub(last.begun))*sliceBytes/float64(bytes))))
}

// noteRequest counts a request of a client.
func (t *scheduler) noteRequest(inbox string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.asked) >= turnConns {
		clear(t.asked)
	}
	t.asked[inbox]++
}

// wait forwards a request when it is its turn.
func (t *scheduler) wait(p pull) {
	cid, ok := t.listener(p.reply)
	if !ok {
		return // the client has disconnected
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.conns[cid]
	if of == nil {
		t.forget()
		of = &connQueue{}
		t.conns[cid] = of
	}
	if len(of.queue) >= turnQueue {
		t.timedOut(p)
		return
	}
	if of.queue = append(of.queue, p); len(of.queue) == 1 {
		t.waiting.Go(func() { t.serve(cid, of) })
	}
}

// forget makes room for one more connection: those without waiting requests are dropped. The lock is held.
func (t *scheduler) forget() {
	if len(t.conns) < turnConns {
		return
	}
	for cid, of := range t.conns {
		if len(of.queue) == 0 {
			delete(t.conns, cid)
		}
	}
}

// serve serves the requests of one connection until none waits.
func (t *scheduler) serve(cid uint64, of *connQueue) {
	for {
		t.mu.Lock()
		p, last := of.queue[0], *of
		t.mu.Unlock()
		sent, ok := t.calm(cid, last)
		length := last.shortened(t.length(p), sent)
		if ok {
			t.pass(p, length)
			t.nudge(p)
		} else {
			t.timedOut(p)
		}
		t.mu.Lock()
		if ok {
			of.batch, of.sent, of.begun = int64(p.of.Batch), sent, time.Now()
			of.over = of.begun.Add(length)
		}
		of.queue[0] = pull{}
		of.queue = of.queue[1:]
		more := len(of.queue) > 0
		t.mu.Unlock()
		if !more {
			return
		}
	}
}

// length returns the length of a request's slice.
func (t *scheduler) length(p pull) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.slices) >= turnConns {
		clear(t.slices)
	}
	name, is := p.stream+"."+p.consumer, lastSlice{delivered: p.delivered}
	if last, known := t.slices[name]; known && last.delivered == p.delivered && p.at.After(last.end) {
		is.empty = last.empty + 1
	}
	length := slice
	for i := emptySlices; i < is.empty && length < sliceMost; i++ {
		length *= 2
	}
	is.end = time.Now().Add(length)
	t.slices[name] = is
	return length
}

// nudge repeats the status that ends a slice for a client that has sent no request since. An inbox with only one request may belong to
// a fetch, which would end before its messages have arrived.
func (t *scheduler) nudge(p pull) {
	t.mu.Lock()
	asked := t.asked[p.reply]
	t.mu.Unlock()
	if !p.isSliced() || asked < 2 {
		return
	}
	time.AfterFunc(nudgeAfter, func() {
		t.mu.Lock()
		again := t.asked[p.reply] != asked
		t.mu.Unlock()
		select {
		case <-t.ended:
		default:
			if !again {
				p.of.Batch, p.of.MaxBytes = 0, 0
				t.timedOut(p)
			}
		}
	})
}

// calm returns what was sent to a connection, once it may get more; false if that takes too long. What the last request
// brings may not be queued for the connection yet: so half of it must have been sent, or its slice must be over and anything have
// been sent, if only the status.
func (t *scheduler) calm(cid uint64, last connQueue) (sent traffic, ok bool) {
	for begun := time.Now(); ; {
		sent, ok := t.sent(cid)
		if !ok {
			return traffic{}, false
		}
		come := sent.messages - last.sent.messages
		served := last.batch == 0 || 2*come >= last.batch || come > 0 && time.Now().After(last.over)
		switch waited := time.Since(begun); {
		case sent.waiting <= calmBytes && (served || waited > sliceMost):
			return sent, true
		case waited > turnMost:
			return traffic{}, false
		}
		select {
		case <-t.ended:
			return traffic{}, false
		case <-time.After(turnEvery):
		}
	}
}

// listener returns the connection that subscribes to an inbox.
func (t *scheduler) listener(inbox string) (cid uint64, ok bool) {
	found, err := t.server.Subsz(&server.SubszOptions{Subscriptions: true, Account: consumers, Test: inbox, Limit: 1})
	if err != nil || len(found.Subs) == 0 {
		return 0, false
	}
	return found.Subs[0].Cid, true
}

// sent returns what was sent to a connection.
func (t *scheduler) sent(cid uint64) (sent traffic, ok bool) {
	found, err := t.server.Connz(&server.ConnzOptions{CID: cid})
	if err != nil || len(found.Conns) == 0 {
		return traffic{}, false
	}
	return traffic{messages: found.Conns[0].OutMsgs, bytes: found.Conns[0].OutBytes, waiting: found.Conns[0].Pending}, true
}

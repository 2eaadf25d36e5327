package publish

import (
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// roomBeside is what may wait for a connection beside its largest message, in bytes; beyond it the server cuts the connection.
	roomBeside = 8 << 20
	// calmBytes is what may still wait for a connection when it is given more, and what a bounded request may bring.
	calmBytes = 2 << 20
	// turnMost is how long a request waits for a connection that does not read what it was sent; then it ends.
	turnMost = 5 * time.Second
	// turnEvery is how often such a connection is looked at.
	turnEvery = time.Millisecond
	// turnQueue is how many requests of a connection may wait, and turnConns of how many connections the last slice is known.
	turnQueue, turnConns = 512, 4096
)

// turns gives the connections of readers slices, one after the other, each when the connection has read what it was sent.
type turns struct {
	gate    *gate
	mu      sync.Mutex
	conns   map[uint64]*turn
	lengths map[string]length // by consumer
	asked   map[string]uint64 // requests by inbox
	waiting sync.WaitGroup
}

// length is how long a consumer's last slice was, when it ended, and what had been delivered before it.
type length struct {
	delivered uint64
	of        time.Duration
	end       time.Time
}

// turn is a connection's last request that was passed on, and those that wait.
type turn struct {
	queue []pull
	batch int64     // messages that the last one asked for
	sent  int64     // messages that the connection had been sent before it
	over  time.Time // when its slice is over
}

// noteRequest notes that a client has asked again.
func (t *turns) noteRequest(inbox string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.asked) >= turnConns {
		clear(t.asked)
	}
	t.asked[inbox]++
}

// wait passes a request on when it is its turn.
func (t *turns) wait(p pull) {
	cid, ok := t.listener(p.reply)
	if !ok {
		return // the client has gone
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.conns[cid]
	if of == nil {
		t.forget()
		of = &turn{}
		t.conns[cid] = of
	}
	if len(of.queue) >= turnQueue {
		t.gate.timedOut(p)
		return
	}
	if of.queue = append(of.queue, p); len(of.queue) == 1 {
		t.waiting.Go(func() { t.serve(cid, of) })
	}
}

// forget makes room for one more connection; those whose slice is over need not be known. The lock is held.
func (t *turns) forget() {
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
func (t *turns) serve(cid uint64, of *turn) {
	for {
		t.mu.Lock()
		p, last := of.queue[0], *of
		t.mu.Unlock()
		sent, ok := t.calm(cid, last)
		length := t.length(p)
		if ok {
			t.gate.passSlice(p, length)
			t.nudge(p)
		} else {
			t.gate.timedOut(p)
		}
		t.mu.Lock()
		if ok {
			of.batch, of.sent, of.over = int64(p.of.Batch), sent, time.Now().Add(length)
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

// length returns how long a request's slice is.
func (t *turns) length(p pull) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lengths) >= turnConns {
		clear(t.lengths)
	}
	name, is := p.stream+"."+p.consumer, length{delivered: p.delivered, of: slice}
	if last, known := t.lengths[name]; known && last.delivered == p.delivered && p.at.After(last.end) {
		is.of = min(2*last.of, sliceMost)
	}
	is.end = time.Now().Add(is.of)
	t.lengths[name] = is
	return is.of
}

// nudge says once more that a slice has ended, to a client that has not asked since. An inbox from which there was only one
// request may be that of a fetch, which would end before its messages have come.
func (t *turns) nudge(p pull) {
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
		case <-t.gate.ended:
		default:
			if !again {
				p.of.Batch, p.of.MaxBytes = 0, 0
				t.gate.timedOut(p)
			}
		}
	})
}

// calm returns how many messages a connection has been sent when it may be given more, and false when it did not become so in
// time. What the last request brings may not wait for the connection yet: so half of it must have come, or its slice
// must be over and something have come, if only the status that it is over.
func (t *turns) calm(cid uint64, last turn) (sent int64, ok bool) {
	for begun := time.Now(); ; {
		pending, sent, ok := t.pending(cid)
		if !ok {
			return 0, false
		}
		come := sent - last.sent
		served := last.batch == 0 || 2*come >= last.batch || come > 0 && time.Now().After(last.over)
		switch waited := time.Since(begun); {
		case pending <= calmBytes && (served || waited > sliceMost):
			return sent, true
		case waited > turnMost:
			return 0, false
		}
		select {
		case <-t.gate.ended:
			return 0, false
		case <-time.After(turnEvery):
		}
	}
}

// listener returns the connection that listens on an inbox.
func (t *turns) listener(inbox string) (cid uint64, ok bool) {
	found, err := t.gate.server.Subsz(&server.SubszOptions{Subscriptions: true, Account: consumers, Test: inbox, Limit: 1})
	if err != nil || len(found.Subs) == 0 {
		return 0, false
	}
	return found.Subs[0].Cid, true
}

// pending returns how many bytes wait for a connection, and how many messages it has been sent.
func (t *turns) pending(cid uint64) (bytes int, sent int64, ok bool) {
	found, err := t.gate.server.Connz(&server.ConnzOptions{CID: cid})
	if err != nil || len(found.Conns) == 0 {
		return 0, 0, false
	}
	return found.Conns[0].Pending, found.Conns[0].OutMsgs, true
}

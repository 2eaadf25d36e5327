package bitrix24

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Bounds of the checks that strangers can cause.
const (
	checksASecond = 5    // installations that nothing authenticates yet, in total
	checksAtOnce  = 20   // as many at once after a quiet time
	maxWaiting    = 100  // installations that wait for their turn; beyond, the sender with the most is rejected
	maxServed     = 1000 // senders whose last turn is remembered
)

// sender is an address, and the portal that it claims.
type sender struct {
	from   netip.Prefix
	member string
}

// senderOf returns the sender; all addresses of an IPv6 network are one.
func senderOf(from netip.Addr, member string) sender {
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	network, _ := from.Prefix(bits) // unknown addresses are one sender
	return sender{network, member}
}

// turns lets a few checks a second start, fairly: the next one is that of the sender whose last turn is longest ago, in order of
// arrival for each sender. So a sender of many waits only behind its own.
type turns struct {
	mu      sync.Mutex
	bucket  *rate.Limiter
	waiting []*turn // in order of arrival
	served  map[sender]time.Time
}

type turn struct {
	sender  sender
	refused bool
}

// wait waits for the sender's turn. It reports whether the turn came in time, before too many waited.
func (t *turns) wait(ctx context.Context, from sender) bool {
	me := t.enter(from)
	defer t.leave(me)
	for {
		pause := t.take(me)
		if pause <= 0 {
			return pause == 0
		}
		if retry.Sleep(ctx, pause) != nil {
			return false
		}
	}
}

// enter adds a waiting check. If there are too many, the last one of the sender with the most is rejected.
func (t *turns) enter(from sender) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bucket == nil {
		t.bucket, t.served = rate.NewLimiter(checksASecond, checksAtOnce), map[sender]time.Time{}
	}
	me := &turn{sender: from}
	t.waiting = append(t.waiting, me)
	if len(t.waiting) <= maxWaiting {
		return me
	}
	count, most := map[sender]int{}, from
	for _, other := range t.waiting {
		count[other.sender]++
	}
	for other, n := range count {
		if n > count[most] {
			most = other
		}
	}
	for i := len(t.waiting) - 1; i >= 0; i-- {
		if t.waiting[i].sender == most {
			t.waiting[i].refused = true
			t.remove(t.waiting[i])
			break
		}
	}
	return me
}

// take returns 0 if it is this check's turn, how long to wait if not, and less than 0 if it was rejected.
func (t *turns) take(me *turn) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if me.refused {
		return -1
	}
	now := time.Now()
	first := t.waiting[0]
	for _, other := range t.waiting[1:] {
		if t.served[other.sender].Before(t.served[first.sender]) {
			first = other
		}
	}
	if first != me || !t.bucket.AllowN(now, 1) {
		return time.Second / checksASecond / 2
	}
	if len(t.served) >= maxServed {
		clear(t.served) // then a few that had a turn are first again
	}
	t.served[me.sender] = now
	return 0
}

func (t *turns) leave(me *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(me)
}

func (t *turns) remove(me *turn) {
	for i, other := range t.waiting {
		if other == me {
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			return
		}
	}
}

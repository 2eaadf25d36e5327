package bitrix24

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Bounds of what strangers can have the OAuth server asked.
const (
	checksASecond = 5    // installations that nothing proves yet, in all
	checksAtOnce  = 20   // as many at once after a quiet time
	maxWaiting    = 100  // installations that wait for their turn; of more, those of whoever sends most are refused
	maxServed     = 1000 // senders whose last turn is remembered
)

// sender is who may have sent an installation: an address, and the portal that it says it is of.
type sender struct {
	from   netip.Prefix
	member string
}

// senderOf makes all addresses of one IPv6 network one sender.
func senderOf(from netip.Addr, member string) sender {
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	network, _ := from.Prefix(bits) // an address that is not known is one sender too
	return sender{network, member}
}

// turns lets checks begin, a few a second, fairly: of those that wait, the one whose sender's last turn is longest ago, and of
// one sender the one that came first. So a sender of many waits only behind its own.
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

// wait waits for the sender's turn. It reports whether that came in time, and before too many waited.
func (t *turns) wait(ctx context.Context, from sender) bool {
	me := t.enter(from)
	defer t.leave(me)
	for {
		pause := t.take(me)
		if pause <= 0 {
			return pause == 0
		}
		if rest.Sleep(ctx, pause) != nil {
			return false
		}
	}
}

// enter adds one that waits. Where too many do, the last of the sender with most is refused.
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

// take returns 0 if it is this one's turn, how long to wait before asking again if not, and less than 0 if it was refused.
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
		clear(t.served) // then a few who had a turn are first again
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

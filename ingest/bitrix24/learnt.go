package bitrix24

import (
	"context"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// learnt is a token as it was read at a moment.
type learnt struct {
	token string
	at    time.Time
}

// learntTokens caches the application tokens of portals.
type learntTokens struct {
	mu     sync.Mutex
	known  map[string]learnt
	unread map[string]time.Time // portals whose token could not be read, and when that was logged
	looks  map[string]*tokenRead
	looked map[string]time.Time
}

// tokenRead is a running read of a portal's token from the store, shared by all that wait for it.
type tokenRead struct {
	done  chan struct{}
	token string
	ok    bool
}

const (
	learntFor  = 30 * time.Second       // how long a token is not read from the store again
	looksApart = 100 * time.Millisecond // between two reads of one portal's token
	unreadFor  = time.Minute            // between two log lines about a store that cannot be read
)

// remembered returns a portal's token as it was last read, and whether that was within learntFor.
func (l *learntTokens) remembered(member string) (token string, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.known[member]
	return known.token, ok && time.Since(known.at) <= learntFor
}

// look reads a portal's token from the store; empty where it has none. ok is false where the store cannot be read. Concurrent callers
// share one read, and there are at most ten a second, whatever strangers send.
func (l *learntTokens) look(ctx context.Context, client *Client, member string) (token string, ok bool) {
	l.mu.Lock()
	if shared := l.looks[member]; shared != nil {
		l.mu.Unlock()
		select {
		case <-shared.done:
			return shared.token, shared.ok
		case <-ctx.Done():
			return "", false
		}
	}
	if l.looks == nil {
		l.looks, l.looked = map[string]*tokenRead{}, map[string]time.Time{}
	}
	mine := &tokenRead{done: make(chan struct{})}
	l.looks[member] = mine
	wait := looksApart - time.Since(l.looked[member])
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkFor) // the others wait for it
	defer cancel()
	defer close(mine.done)
	if wait > 0 {
		_ = retry.Sleep(ctx, wait)
	}
	l.mu.Lock()
	l.looked[member] = time.Now()
	delete(l.looks, member) // later callers need a read that starts after they called
	l.mu.Unlock()
	have, _, err := client.stored(member).Load(ctx)
	if err != nil {
		l.notRead(client, member, err)
		return "", false
	}
	l.learn(member, have.ApplicationToken)
	mine.token, mine.ok = have.ApplicationToken, true
	return mine.token, mine.ok
}

// notRead records that a portal's token cannot be read, and logs it once a minute.
func (l *learntTokens) notRead(client *Client, member string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unread == nil {
		l.unread = map[string]time.Time{}
	}
	if last, ok := l.unread[member]; !ok || time.Since(last) > unreadFor {
		client.log().Error("application token cannot be read", "portal", member, "error", err)
		l.unread[member] = time.Now()
	}
}

func (l *learntTokens) learn(member, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]learnt{}
	}
	l.known[member] = learnt{token, time.Now()}
	delete(l.unread, member)
}

// isUnread reports whether a portal's token could not be read, so that an unknown token cannot be judged.
func (l *learntTokens) isUnread(member string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, unread := l.unread[member]
	return unread
}

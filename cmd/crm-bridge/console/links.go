package console

import (
	"sync"
	"time"
)

// The bounds of links.
const (
	maxLinks = 16
	linkLife = 5 * time.Minute
)

// links are the one-time links that nobody has used. The zero value is empty.
type links struct {
	mu  sync.Mutex
	all map[digest]time.Time // when each ends
}

// make returns the secret of a new link. The one that ends first is dropped where there would be too many.
func (l *links) make(now time.Time) string {
	secret := newSecret()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[digest]time.Time{}
	}
	for len(l.all) >= maxLinks {
		var first digest
		for key, ends := range l.all {
			if at, ok := l.all[first]; !ok || ends.Before(at) {
				first = key
			}
		}
		delete(l.all, first)
	}
	l.all[digestOf(secret)] = now.Add(linkLife)
	return secret
}

// use reports whether a link may be used, which then is not any more.
func (l *links) use(secret string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := digestOf(secret)
	ends, ok := l.all[key]
	delete(l.all, key)
	return ok && now.Before(ends)
}

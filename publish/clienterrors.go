package publish

import (
	"regexp"
	"sync"
	"time"
)

// clientErrors keeps errors that clients of the embedded server can cause at will from filling the log: the first of a kind
// is logged, and then one a minute with the number of those since the last line.
type clientErrors struct {
	mu    sync.Mutex
	kinds map[string]*repeats
}

// repeats are errors of one kind since its last line.
type repeats struct {
	last  time.Time
	count int
}

const (
	// errorsEvery is the time between two lines of one kind.
	errorsEvery = time.Minute
	// errorKinds bounds the kinds that are told apart; all further ones are one.
	errorKinds = 32
)

var (
	// ofClient is what the server writes between the address of a client and what it says of it.
	ofClient = regexp.MustCompile(` - cid:[0-9]+`)
	// clientWords are what in an error is the client's own, and no kind.
	clientWords = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[0-9]+`)
)

// count returns how many errors of the kind of this one there were since the last line, it included, or 0 where it needs no
// line yet.
func (c *clientErrors) count(text string) int {
	kind := text[ofClient.FindStringIndex(text)[1]:]
	kind = clientWords.ReplaceAllString(kind, "")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[string]*repeats{}
	}
	if c.kinds[kind] == nil && len(c.kinds) >= errorKinds {
		kind = ""
	}
	known := c.kinds[kind]
	if known == nil {
		known = &repeats{}
		c.kinds[kind] = known
	}
	if known.count++; time.Since(known.last) < errorsEvery {
		return 0
	}
	count := known.count
	*known = repeats{last: time.Now()}
	return count
}

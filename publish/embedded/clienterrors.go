package embedded

import (
	"regexp"
	"sync"
	"time"
)

// clientErrors limits how often errors that clients of the embedded server can cause at will are logged: the first of a kind, then
// one a minute with their number since the last line.
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
	// errorKinds bounds the kinds that are counted separately; all others count as one.
	errorKinds = 32
)

var (
	// ofClient is what the server writes between the address of a client and its error.
	ofClient = regexp.MustCompile(` - cid:[0-9]+`)
	// clientWords are the parts of an error that a client chooses.
	clientWords = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[0-9]+`)
)

// count returns how many errors of this kind came since its last line, including this one; 0 if it is not to be logged yet.
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

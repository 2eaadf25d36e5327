package bitrix24

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// digest stands for an installation, so that none of its tokens is kept.
type digest [sha256.Size]byte

func digestOf(member, refreshToken, applicationToken string) digest {
	return sha256.Sum256([]byte(member + "\n" + refreshToken + "\n" + applicationToken))
}

// check is an installation that is being checked, for all that wait for the answer.
type check struct {
	done chan struct{}
	err  error
}

// verdict is what became of an installation; err is nil where it was confirmed and stored.
type verdict struct {
	err error
	at  time.Time
}

const (
	checkFor    = 15 * time.Second // how long an installation may take until it is stored
	verdictFor  = 10 * time.Minute // an installation that comes again is answered as before, without a question, for so long
	maxVerdicts = 1000
)

// checks are those of installations at the OAuth server.
type checks struct {
	mu       sync.Mutex
	running  map[digest]*check
	verdicts map[digest]verdict
}

// errUnconfirmed is the OAuth server's verdict on an installation: asking again would be in vain.
var errUnconfirmed = errors.New("the installation is not confirmed")

// once calls do for an installation, unless the same one is being checked, or was lately.
func (c *checks) once(ctx context.Context, which digest, do func() error) error {
	c.mu.Lock()
	if before, ok := c.verdicts[which]; ok && time.Since(before.at) < verdictFor {
		c.mu.Unlock()
		return before.err
	}
	if under := c.running[which]; under != nil {
		c.mu.Unlock()
		select {
		case <-under.done:
			return under.err
		case <-ctx.Done():
			return fmt.Errorf("%w: it is not checked in time", ingest.ErrForged)
		}
	}
	if c.running == nil {
		c.running, c.verdicts = map[digest]*check{}, map[digest]verdict{}
	}
	mine := &check{done: make(chan struct{})}
	c.running[which] = mine
	c.mu.Unlock()

	mine.err = do()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, which)
	if mine.err == nil || errors.Is(mine.err, errUnconfirmed) {
		if len(c.verdicts) >= maxVerdicts {
			clear(c.verdicts)
		}
		c.verdicts[which] = verdict{mine.err, time.Now()}
	}
	close(mine.done)
	return mine.err
}

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

// digest identifies an installation without keeping its tokens.
type digest [sha256.Size]byte

func digestOf(member, refreshToken, applicationToken string) digest {
	return sha256.Sum256([]byte(member + "\n" + refreshToken + "\n" + applicationToken))
}

// check is a running check of an installation, shared by all that wait for it.
type check struct {
	done chan struct{}
	err  error
}

// verdict is the result of a check; err is nil where the installation was confirmed and stored.
type verdict struct {
	err error
	at  time.Time
}

const (
	checkFor    = 15 * time.Second // how long an installation may take until it is stored
	verdictFor  = 10 * time.Minute // how long the same installation is answered with the earlier verdict
	maxVerdicts = 1000
)

// checks are the checks of installations at the OAuth server.
type checks struct {
	mu       sync.Mutex
	running  map[digest]*check
	verdicts map[digest]verdict
}

// errUnconfirmed says that the OAuth server rejected an installation permanently.
var errUnconfirmed = errors.New("the installation is not confirmed")

// once calls do for an installation, unless the same one is being checked or was checked recently.
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
			return fmt.Errorf("%w: it was not checked in time", ingest.ErrForged)
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

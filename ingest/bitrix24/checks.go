package bitrix24

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// digest stands for an installation, so that none of its tokens is kept.
type digest [sha256.Size]byte

func digestOf(from Installation) digest {
	return sha256.Sum256([]byte(from.MemberID + "\n" + from.RefreshToken + "\n" + from.ApplicationToken))
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
	verdictFor  = 10 * time.Minute // an installation that comes again is answered as before, without a question, for so long
	maxVerdicts = 1000
)

// once calls do for an installation, unless the same one is being checked, or was lately.
func (i *Installations) once(ctx context.Context, which digest, do func() error) error {
	i.mu.Lock()
	if before, ok := i.verdicts[which]; ok && time.Since(before.at) < verdictFor {
		i.mu.Unlock()
		return before.err
	}
	if under := i.checking[which]; under != nil {
		i.mu.Unlock()
		select {
		case <-under.done:
			return under.err
		case <-ctx.Done():
			return fmt.Errorf("%w: it is not checked in time", ingest.ErrForged)
		}
	}
	if i.checking == nil {
		i.checking, i.verdicts = map[digest]*check{}, map[digest]verdict{}
	}
	mine := &check{done: make(chan struct{})}
	i.checking[which] = mine
	i.mu.Unlock()

	mine.err = do()
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.checking, which)
	if mine.err == nil || errors.Is(mine.err, errUnconfirmed) {
		if len(i.verdicts) >= maxVerdicts {
			clear(i.verdicts)
		}
		i.verdicts[which] = verdict{mine.err, time.Now()}
	}
	close(mine.done)
	return mine.err
}

package rest

import (
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Budget follows what an API says of its daily budget. Records are not read from the last tenth, which is kept for what cannot wait, such as
// the renewal of subscriptions. The zero value is of an API that has said nothing.
type Budget struct {
	mu     sync.Mutex
	left   int       // 0: not known
	most   int       // of a day, as far as it is known
	spared time.Time // until when no record is read; zero: there is enough
}

// sparedFor is how long no record is read. Then one read goes ahead: its answer shows what is left.
const sparedFor = 5 * time.Minute

// Count records how much an answer says is left of the day's budget, as far as that is known.
func (b *Budget) Count(left, ofDay int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = max(left, 1)
	b.most = max(b.most, ofDay)
}

// Forget records that an answer says nothing, because there is enough.
func (b *Budget) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.most = 0, 0
}

// Scarce reports whether less than a tenth of the day's budget is left.
func (b *Budget) Scarce() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.scarce()
}

func (b *Budget) scarce() bool { return b.left > 0 && b.left*10 < b.most }

// Spent returns why no record is to be read now, or nil. unit is what the API counts, such as "API credits".
func (b *Budget) Spent(unit string) *ingest.Spent {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch now := time.Now(); {
	case !b.scarce():
		b.spared = time.Time{}
		return nil
	case b.spared.IsZero():
		b.spared = now.Add(sparedFor)
	case !now.Before(b.spared):
		b.spared = now.Add(sparedFor)
		return nil
	}
	return &ingest.Spent{Budget: fmt.Sprintf("%d %s are left, less than a tenth of the day's", b.left, unit), Until: b.spared}
}

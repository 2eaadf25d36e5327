package records

import (
	"sync"
	"time"
)

// forgetFor is longer than an event waits in this process for its records to be read.
const forgetFor = time.Hour

// forgotten are records that are erased.
type forgotten struct {
	writes sync.RWMutex // held for reading while states are written
	upto   map[Key]forgottenUpto
}

type forgottenUpto struct {
	sequence uint64 // of the stream of events
	at       time.Time
}

// Forget has no state of a record written from events up to a sequence, because they are erased. The account may be empty, for any. When
// it returns, no such state is on its way.
func (k *Keeper) Forget(key Key, upto uint64) {
	k.forgotten.writes.Lock()
	defer k.forgotten.writes.Unlock()
	if k.forgotten.upto == nil {
		k.forgotten.upto = map[Key]forgottenUpto{}
	}
	for key, one := range k.forgotten.upto {
		if time.Since(one.at) > forgetFor {
			delete(k.forgotten.upto, key)
		}
	}
	k.forgotten.upto[key] = forgottenUpto{upto, time.Now()}
}

// has reports whether all events of an item are of a forgotten record.
func (f *forgotten) has(i *item) bool {
	anywhere := i.key
	anywhere.Account = ""
	return i.newest <= max(f.upto[i.key].sequence, f.upto[anywhere].sequence)
}

// without returns the items, and their states, that are not of forgotten records.
func (f *forgotten) without(items []*item, states []state) (kept []*item, keptStates []state) {
	for n, i := range items {
		if !f.has(i) {
			kept, keptStates = append(kept, i), append(keptStates, states[n])
		}
	}
	return kept, keptStates
}

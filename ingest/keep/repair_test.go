package keep_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// A restart of a few seconds is repaired too, for whoever calls meanwhile calls once.
func TestShortOutage(t *testing.T) {
	for _, down := range []time.Duration{4 * time.Second, 50 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			stop := w.replica("one")
			time.Sleep(time.Minute)
			w.live(time.Hour)
			stop()
			w.setDown(true)
			time.Sleep(down / 2)
			id, err := w.crm.Create("Deals", map[string]any{"Deal_Name": "made meanwhile"})
			if id == "" {
				t.Fatal(err)
			}
			w.changed[id] = time.Now()
			time.Sleep(down / 2)
			w.setDown(false)
			stop = w.replica("one again")
			w.live(time.Hour)
			w.knowsAll()
			stop()
		})
	}
}

// What a callback would have told that was refused with 503, while the bridge was well otherwise, is read from the CRM.
func TestRefusedCallbackIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.replica("one")
		time.Sleep(time.Minute)
		w.crm.DropCallbacks(1)
		id, err := w.crm.Create("Deals", map[string]any{"Deal_Name": "refused"})
		if id == "" {
			t.Fatal(err)
		}
		w.changed[id] = time.Now()
		w.keeper.Missed("zoho", "", time.Now())
		w.live(6 * time.Hour)
		w.knowsAll()
		before := w.origins[ingest.Repair]
		w.keeper.Missed("zoho", "", time.Now())
		w.live(time.Hour)
		if read := w.origins[ingest.Repair] - before; read > 20 {
			t.Errorf("for a second refusal hours later %d records were read: all that changed since the first", read)
		}
		w.live(time.Hour)
		before = w.origins[ingest.Repair]
		w.keeper.Missed("bitrix24", "", time.Now())
		w.live(time.Hour)
		if read := w.origins[ingest.Repair] - before; read > 0 {
			t.Errorf("for a refusal of another CRM's callback %d records were read", read)
		}
		stop()
	})
}

// deaf is a store that takes no more: a process that is killed leaves its claim behind.
type deaf struct {
	ingest.Store
	dead atomic.Bool
}

func (d *deaf) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if d.dead.Load() {
		return 0, errors.New("killed")
	}
	return d.Store.Save(ctx, key, value, revision)
}

// What changed while no bridge was there is known a minute after the start of the next one, also after a kill, whatever the CRM's
// clock says; and so is what changed while the channel was dead, a minute after its return.
func TestRepairBeginsAtOnce(t *testing.T) {
	for _, skew := range []time.Duration{7 * time.Minute, -11 * time.Minute, -9 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.crm.SetSkew(skew)
				w.crm.Grants = 2 * time.Hour // so that its death is found out soon
				shared := w.state.Shared
				first := &deaf{Store: shared}
				w.state.Shared = first
				stop := w.replica("one")
				w.live(time.Hour)
				first.dead.Store(true)
				stop()
				w.setDown(true)
				unheard := func() string {
					id, err := w.crm.Create("Deals", map[string]any{"Deal_Name": "made meanwhile"})
					if id == "" {
						t.Fatal(err)
					}
					return id
				}
				expect := func(id, what string) {
					t.Helper()
					time.Sleep(time.Minute)
					w.mu.Lock()
					defer w.mu.Unlock()
					if w.heard[id].IsZero() {
						t.Errorf("what changed %s is not known after a minute", what)
					}
				}
				time.Sleep(time.Minute)
				id := unheard()
				time.Sleep(20 * time.Second)
				last := unheard()
				w.setDown(false)
				w.state.Shared = shared
				stop = w.replica("two")
				expect(id, "while no bridge was there")
				expect(last, "at the very end of that")

				if skew < 0 {
					stop()
					return
				}
				w.crm.Kill("")
				id = unheard()
				for len(w.crm.Live()) == 0 {
					time.Sleep(time.Second)
				}
				expect(id, "while the channel was dead")
				stop()
			})
		})
	}
}

// While callbacks are refused one after the other, for an hour, what changed is read from the CRM every few minutes: neither never,
// nor at each of them.
func TestRefusalsWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.replica("one")
		time.Sleep(time.Minute)
		w.crm.Requests()
		for range 1200 {
			w.keeper.Missed("zoho", "", time.Now())
			time.Sleep(3 * time.Second)
		}
		lists := 0
		for _, request := range w.crm.Requests() {
			if request == "GET /crm/v8/Deals" {
				lists++
			}
		}
		if lists < 10 || lists > 30 {
			t.Errorf("read %d times", lists)
		}
		stop()
	})
}

// What the CRM lists a minute late is known all the same.
func TestLateListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.crm.Lag = time.Minute
		stop := w.replica("one")
		time.Sleep(time.Minute)
		w.live(6 * time.Hour)
		stop()
		w.setDown(true)
		w.live(3 * time.Hour)
		id, _ := w.crm.Create("Deals", map[string]any{"Deal_Name": "made at the very end"})
		w.changed[id] = time.Now()
		time.Sleep(time.Second)
		w.setDown(false)
		stop = w.replica("two")
		time.Sleep(3 * time.Minute)
		w.knowsAll()
		repaired := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.origins[ingest.Repair]
		}
		read := repaired()
		if time.Sleep(time.Hour); repaired() != read {
			t.Errorf("it is read again and again: %d, %d", read, repaired())
		}
		stop()
	})
}

// A bridge that is killed two seconds after its very first start has subscribed, and what changes until the next is known.
func TestKilledAtItsFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		shared := w.state.Shared
		first := &deaf{Store: shared}
		w.state.Shared = first
		stop := w.replica("one")
		time.Sleep(2 * time.Second)
		first.dead.Store(true)
		stop()
		w.setDown(true)
		id, err := w.crm.Create("Deals", map[string]any{"Deal_Name": "made meanwhile"})
		if id == "" {
			t.Fatal(err)
		}
		w.changed[id] = time.Now()
		time.Sleep(time.Hour)
		w.setDown(false)
		w.state.Shared = shared
		stop = w.replica("two")
		time.Sleep(time.Minute)
		w.knowsAll()
		stop()
	})
}

package bitrix24_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Wherever a bridge dies, the one after it takes what is left: every event at least once, and each under the same id as
// before, so that the stream holds it once.
func TestDrainDies(t *testing.T) {
	died := errors.New("died")
	for name, die := range map[string]func(w *world, k *taken){
		"before the portal answers": func(w *world, _ *taken) { w.crm.Break("event.offline.get", 4) },
		"before the answer arrives": func(w *world, _ *taken) {
			w.crm.LoseAnswers("event.offline.get", 1)
			w.crm.Break("event.offline.list", 8)
		},
		"before it remembers the process": func(w *world, _ *taken) { w.shared.fail = func(string, []byte) error { return died } },
		"before anything is accepted":     func(_ *world, k *taken) { k.fail = func([]ingest.Change) error { return died } },
		"before anything is cleared":      func(w *world, _ *taken) { w.crm.Break("event.offline.clear", 8) },
		"before the clearing is answered": func(w *world, _ *taken) { w.crm.LoseAnswers("event.offline.clear", 8) },
		"before it forgets the process": func(w *world, _ *taken) {
			w.shared.fail = func(_ string, value []byte) error {
				if strings.Contains(string(value), "process_id") {
					return nil
				}
				return died
			}
		},
		"in the second batch": func(_ *world, k *taken) {
			k.fail = func([]ingest.Change) error {
				if len(k.batch) > 0 {
					return died
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, k := queued(t, 70), newTaken(t)
				die(w, k)
				if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err == nil {
					t.Fatal("it did not die")
				}
				w.shared.fail, k.fail = nil, nil
				time.Sleep(time.Minute)
				next := w.replica(t, "Deal.all", true)
				if err := next.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(numbered(70), k.records()); diff != "" || w.portal.Queued() != 0 {
					t.Errorf("%d are left, %s", w.portal.Queued(), diff)
				}
			})
		})
	}
}

// The bridge that lost an answer finds the rows again by itself, without a new start.
func TestDrainFindsWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := queued(t, 30), newTaken(t)
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
			t.Fatal(err)
		}
		for i := 31; i <= 60; i++ {
			w.portal.Put(2, i, nil)
		}
		w.crm.LoseAnswers("event.offline.get", 1) // the try after it finds the queue empty
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
			t.Fatal(err)
		}
		for i := 61; i <= 65; i++ {
			w.portal.Put(2, i, nil)
		}
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbered(65), k.records()); diff != "" || w.portal.Queued() != 0 {
			t.Errorf("%d are left, %s", w.portal.Queued(), diff)
		}
	})
}

// Where the licence cannot reserve, the queue is emptied all the same, and the log says what that costs, once a day. What
// was read is remembered before it is accepted, so that a bridge that dies in between loses nothing.
func TestLicenceWithoutReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := queued(t, 70), newTaken(t)
		w.portal.Extended = false
		k.fail = func([]ingest.Change) error { return errors.New("died") }
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err == nil {
			t.Fatal("it did not die")
		}
		k.fail = nil
		next := w.replica(t, "Deal.all", true)
		for range 5 {
			if err := next.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if diff := cmp.Diff(numbered(70), k.records()); diff != "" || w.portal.Queued() != 0 || k.again != 0 {
			t.Errorf("%d are left, %d came again, %s", w.portal.Queued(), k.again, diff)
		}
		if warned := strings.Count(w.log.String(), "delivered at most once"); warned != 2 {
			t.Errorf("warned %d times, by two bridges: %s", warned, w.log)
		}
	})
}

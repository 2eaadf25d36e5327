package bitrix24_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// taken is an Accept that keeps what it took, by the id of its event.
type taken struct {
	t      *testing.T
	mu     sync.Mutex
	events map[string]ingest.Change
	again  int // events that it had already
	batch  []int
	fail   func(changes []ingest.Change) error // before it takes anything; nil: never
}

func (k *taken) accept(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		if err := k.fail(changes); err != nil {
			return nil, err
		}
	}
	k.batch = append(k.batch, len(changes))
	acks := make([]ingest.Ack, len(changes))
	for i, change := range changes {
		id, err := transform.ID(change)
		if err != nil {
			k.t.Fatal(err)
		}
		if _, ok := k.events[id]; ok {
			k.again++
		}
		k.events[id], acks[i] = change, ingest.Ack{ID: id}
	}
	return acks, nil
}

func newTaken(t *testing.T) *taken { return &taken{t: t, events: map[string]ingest.Change{}} }

// records are the ids that were taken, each as often as there are events of it.
func (k *taken) records() map[string]int {
	all := map[string]int{}
	for _, change := range k.events {
		all[strings.Join(change.IDs, " ")]++
	}
	return all
}

// numbered is each number from 1 to n, once.
func numbered(n int) map[string]int {
	all := map[string]int{}
	for i := 1; i <= n; i++ {
		all[strconv.Itoa(i)] = 1
	}
	return all
}

// queued returns a world in whose queue n changes of deals wait, after it was drained once.
func queued(t *testing.T, n int) *world {
	t.Helper()
	w := installed(t, "Deal.all", true)
	watch(t, w)
	if err := w.app.Drain(t.Context(), w.state(), nil, nil); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		w.portal.Put(2, i+1, nil)
	}
	if w.portal.Queued() != n {
		t.Fatalf("%d events are queued, not %d", w.portal.Queued(), n)
	}
	return w
}

// Everything that waits is accepted once, in batches of fifty, and then cleared.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := queued(t, 120), newTaken(t)
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbered(120), k.records()); diff != "" || w.portal.Queued() != 0 || k.again != 0 {
			t.Errorf("%d are left, %d came again, %s", w.portal.Queued(), k.again, diff)
		}
		if diff := cmp.Diff([]int{50, 50, 20}, k.batch); diff != "" {
			t.Error(diff)
		}
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil || len(k.batch) != 3 {
			t.Errorf("an empty queue: %v, %v", k.batch, err)
		}
	})
}

// A queued event says what the live one would, at the time that the portal gave, and makes a valid event.
func TestOfflineChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := queued(t, 0), newTaken(t)
		w.portal.Enqueue("ONCRMDEALUPDATE", map[string]string{"ID": "12345678901234567890"})
		w.portal.Enqueue("ONCRMDEALMOVETOCATEGORY", map[string]string{"ID": "7", "CATEGORY_ID": "1", "STAGE_ID": "C1:NEW"})
		w.portal.Enqueue("ONCRMDYNAMICITEMUPDATE_1032", map[string]string{"ID": "21"})
		w.portal.Enqueue("ONCRMADDRESSREGISTER", nil)
		at := time.Now().UTC()
		time.Sleep(time.Hour)
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		m := mapping(t, "bitrix24-events", open(t, openEvents))
		for _, change := range k.events {
			if !change.OccurredAt.Equal(at) || change.ChangedBy != "1" || change.Account != member || change.Origin != ingest.Live || change.Mark == "" || change.ReceivedAt.Sub(at) < time.Hour {
				t.Errorf("%+v", change)
			}
			if !strings.HasSuffix(change.Collection, "/crm/"+change.Module) || !strings.HasPrefix(change.Collection, "https://") {
				t.Errorf("collection %s", change.Collection)
			}
			text := fmt.Sprint(change.IDs)
			for _, values := range change.Values {
				text += " " + string(values)
			}
			got[change.Module+"."+change.Operation] = text
			if _, err := m.Events(change); err != nil {
				t.Error(err)
			}
		}
		want := map[string]string{
			"Deal.edit": "[12345678901234567890]", "Deal.moveToCategory": `[7] {"CATEGORY_ID":"1","STAGE_ID":"C1:NEW"}`,
			"DynamicItem.edit": `[21] {"ENTITY_TYPE_ID":"1032"}`, "Address.register": "[]",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A record that changes again is another event, also while the first one is being accepted.
func TestRepeatedChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := queued(t, 1), newTaken(t)
		drain := func() {
			t.Helper()
			if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
				t.Fatal(err)
			}
		}
		drain()
		w.portal.Put(2, 1, nil)
		k.fail = func([]ingest.Change) error {
			k.fail = nil
			time.Sleep(time.Second)
			w.portal.Put(2, 1, nil)
			return nil
		}
		drain()
		drain()
		edits := 0
		for _, change := range k.events {
			if change.Operation == "edit" {
				edits++
			}
		}
		if len(k.events) != 3 || edits != 2 || w.portal.Queued() != 0 {
			t.Errorf("%+v", k.events)
		}
	})
}

// An event that can never be stored does not hold the others up: it stays in the portal's queue, marked.
func TestOfflineEventRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := queued(t, 10), newTaken(t)
		k.fail = func(changes []ingest.Change) error {
			for _, change := range changes {
				if change.IDs[0] == "4" {
					return fmt.Errorf("%w: for a reason", ingest.ErrMalformed)
				}
			}
			return nil
		}
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err != nil {
			t.Fatal(err)
		}
		want := numbered(10)
		delete(want, "4")
		if diff := cmp.Diff(want, k.records()); diff != "" || w.portal.Queued() != 1 || w.portal.Erroneous() != 1 {
			t.Errorf("%d are left, %d marked, %s", w.portal.Queued(), w.portal.Erroneous(), diff)
		}
		if !strings.Contains(w.log.String(), "an offline event was rejected permanently") {
			t.Errorf("the log does not say so: %s", w.log)
		}
	})
}

// Nothing that is no answer of the documents is taken for an empty queue or cleared.
func TestOfflineAnswersThatAreNone(t *testing.T) {
	for _, refusal := range []string{"ACCESS_DENIED", "WRONG_AUTH_TYPE", "ERROR_METHOD_NOT_FOUND"} {
		synctest.Test(t, func(t *testing.T) {
			w, k := queued(t, 3), newTaken(t)
			w.crm.Refuse("event.offline.get", 1, 403, refusal, "No.")
			if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err == nil || w.portal.Queued() != 3 || strings.Contains(w.log.String(), "at most once") {
				t.Errorf("%s: %d are left, %v", refusal, w.portal.Queued(), err)
			}
		})
	}
}

// A portal that fails does not keep the others from being watched and emptied.
func TestOnePortalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const away = "010b6886ebc205e43ae65000ee00addb"
		w, k := queued(t, 3), newTaken(t)
		w.app.Offline.Portals = []string{away, member}
		w.app.Subscriptions.Portals = w.app.Offline.Portals
		if err := w.app.Drain(t.Context(), w.state(), k.accept, nil); err == nil || !strings.Contains(err.Error(), away) || strings.Contains(err.Error(), member) {
			t.Errorf("%v", err)
		}
		if diff := cmp.Diff(numbered(3), k.records()); diff != "" {
			t.Error(diff)
		}
		watched, err := watchOnce(t.Context(), w)
		if err == nil || len(watched.Channels) != 2 || watched.Channels[0].State != "refused" || watched.Channels[1].State != "active" {
			t.Errorf("%+v, %v", watched, err)
		}
	})
}

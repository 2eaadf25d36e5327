package keep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

func minute(n int) time.Time { return time.Date(2026, 11, 1, 12, n, 0, 0, time.UTC) }

func gap(module string, since, until int) job {
	return job{Gap: ingest.Gap{Account: "default", Module: module, Since: minute(since), Until: minute(until)}}
}

// Gaps that are near are merged into one from the first moment to the last; one that is being repaired is left alone.
func TestNearGapsAreMerged(t *testing.T) {
	var r repairs
	for _, one := range []job{gap("Deals", 20, 21), gap("Deals", 10, 17), gap("Deals", 22, 30), gap("Leads", 20, 21), gap("Deals", 40, 41)} {
		r.add(one, 0)
	}
	if len(r.Jobs) != 3 || !r.Jobs[0].Since.Equal(minute(10)) || !r.Jobs[0].Until.Equal(minute(30)) {
		t.Errorf("merged into %+v", r.Jobs)
	}
	r.Jobs[0].Cursor = "page 7"
	if r.add(gap("Deals", 30, 31), 0); len(r.Jobs) != 4 || r.Jobs[0].Cursor == "" {
		t.Errorf("added to a gap that is being repaired: %+v", r.Jobs)
	}
}

// Where many gaps wait, those of a module are merged, and what has grown is read from its beginning.
func TestManyGapsAreMerged(t *testing.T) {
	r := repairs{Jobs: make([]job, maxJobs)}
	r.Jobs[0] = gap("Deals", 20, 21)
	r.Jobs[0].Cursor, r.Jobs[0].Second = "page 7", true
	r.add(gap("Deals", 40, 41), 0)
	if one := r.Jobs[0]; len(r.Jobs) != maxJobs || one.Cursor != "" || one.Second || !one.Until.Equal(minute(41)) {
		t.Errorf("%d gaps, the first is %+v", len(r.Jobs), one)
	}
}

// The gap that has waited longest is next, and one that failed waits longer each time.
func TestGapsTakeTurns(t *testing.T) {
	r := repairs{Jobs: []job{gap("Deals", 0, 1), gap("Leads", 0, 1), gap("Contacts", 0, 1)}}
	now := minute(30)
	r.Jobs[0].Tried, r.Jobs[1].Tried, r.Jobs[2].Tried = now.Add(-time.Second), now.Add(-2*time.Second), now.Add(-90*time.Second)
	r.Jobs[2].Fails = 2
	if one := r.due(now); one == nil || one.Module != "Leads" {
		t.Errorf("next is %+v", one)
	}
	if one := r.due(now.Add(30 * time.Second)); one == nil || one.Module != "Contacts" {
		t.Errorf("two minutes after the second failure next is %+v", one)
	}
}

// down is a store that cannot be reached for a while.
type down struct {
	ingest.Memory
	is bool
}

var errDown = errors.New("the store is unreachable")

func (d *down) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	if d.is {
		return nil, 0, errDown
	}
	return d.Memory.Load(ctx, key)
}

func (d *down) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if d.is {
		return 0, errDown
	}
	return d.Memory.Save(ctx, key, value, revision)
}

// opened returns a repairer whose CRM has an active channel, one with a queue, and a disabled one.
func opened(t *testing.T) (*repairer, *down) {
	t.Helper()
	store, crm := &down{}, &ingest.CRM{Provider: "crm", Lister: lists{}}
	if err := saveChannels(t.Context(), store, crm, []ingest.Channel{
		{Account: "default", State: "active", Modules: []string{"Deals"}},
		{Account: "queued", State: "active", Queued: true, Modules: []string{"Deals"}},
		{Account: "off", State: "disabled", Modules: []string{"Deals"}},
	}); err != nil {
		t.Fatal(err)
	}
	return &repairer{
		CRM: crm, shared: store, ready: func(context.Context) bool { return true }, missed: &missed{}, metrics: NewKeeperMetrics(prometheus.NewRegistry()), log: slog.New(slog.DiscardHandler),
	}, store
}

// lists is a Lister that is not asked.
type lists struct{ ingest.Lister }

func gapsOf(t *testing.T, k *repairer) []job {
	t.Helper()
	r, _, err := repairsOf(k.shared, k.CRM, 0).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Jobs
}

// Refused callbacks are not forgotten while the state is unreachable, and are no gap where the CRM keeps a queue.
func TestMissedOutlivesTheStore(t *testing.T) {
	k, store := opened(t)
	k.missed.add("crm", "", interval{minute(1), minute(2)})
	store.is = true
	k.noteMissed(t.Context())
	store.is = false
	k.noteMissed(t.Context())
	if gaps := gapsOf(t, k); len(gaps) != 1 || gaps[0].Account != "default" || !gaps[0].Since.Equal(minute(1)) {
		t.Errorf("gaps %+v", gaps)
	}
}

// A refused callback of one account has no other account's records read; one whose account is unknown has all read.
func TestMissedByAnAccount(t *testing.T) {
	for account, want := range map[string]string{"a": "a", "": "a b", "unheard of": "a b"} {
		k, store := opened(t)
		if err := saveChannels(t.Context(), store, k.CRM, []ingest.Channel{
			{Account: "a", State: "active", Modules: []string{"Deals"}}, {Account: "b", State: "active", Modules: []string{"Deals"}},
		}); err != nil {
			t.Fatal(err)
		}
		k.missed.add("crm", account, interval{minute(1), minute(2)})
		k.noteMissed(t.Context())
		var read []string
		for _, gap := range gapsOf(t, k) {
			read = append(read, gap.Account)
		}
		slices.Sort(read)
		if got := strings.Join(read, " "); got != want {
			t.Errorf("refused for %q: gaps of %q", account, got)
		}
	}
}

// More accounts than are remembered apart are remembered together.
func TestMissedByManyAccounts(t *testing.T) {
	var m missed
	for i := range 2 * maxMissed {
		m.add("crm", fmt.Sprint(i), interval{minute(i % 60), minute(i % 60)})
	}
	if taken := m.take("crm"); len(taken) != maxMissed+1 || !taken[""].last.Equal(minute(59)) {
		t.Errorf("%d accounts, together %v", len(taken), taken[""])
	}
}

// While the state alone is unreachable, callbacks are accepted: that time is not a gap.
func TestUnreachableStateIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, store := opened(t)
		look := func() {
			_ = k.noteOutage(t.Context()) // fails while the state is unreachable
			time.Sleep(5 * time.Second)
		}
		look()
		for store.is = true; time.Now().Second() != 40; {
			look()
		}
		store.is = false
		look()
		if gaps := gapsOf(t, k); len(gaps) != 0 {
			t.Errorf("gaps %+v", gaps)
		}
		time.Sleep(time.Minute)
		if look(); len(gapsOf(t, k)) != 1 {
			t.Error("a minute without a look is no gap")
		}
	})
}

package keep

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// seeing is a Watcher with one channel, which counts its looks and has a document of its own in the state, and a Drainer of one change.
type seeing struct {
	lists
	account string
	looks   int
}

func (s *seeing) Watch(ctx context.Context, state ingest.State, _ func(ingest.Gap) error) (ingest.Watched, error) {
	s.looks++
	_, revision, err := state.Shared.Load(ctx, "acme.seen")
	if err == nil {
		_, err = state.Shared.Save(ctx, "acme.seen", []byte(s.account), revision)
	}
	return ingest.Watched{
		Next:     time.Now().Add(time.Hour),
		Channels: []ingest.Channel{{Provider: "acme", Account: s.account, ID: "1", Modules: []string{"Deals"}, State: "active"}},
	}, err
}

func (s *seeing) Drain(ctx context.Context, state ingest.State, accept ingest.Accept, _ func(ingest.Gap) error) error {
	_, revision, err := state.Shared.Load(ctx, "acme.drained")
	if err != nil || revision > 0 {
		return err
	}
	if _, err := accept(ctx, []ingest.Change{{Account: s.account}}); err != nil {
		return err
	}
	_, err = state.Shared.Save(ctx, "acme.drained", []byte(s.account), 0)
	return err
}

// Two orgs of one CRM are kept apart: each has its claim, its channels and its gaps, and the first org's keys are those of a CRM with one
// org; a Wake is for one of them, and so is a missed callback.
func TestOrgsAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, first, further := &ingest.Memory{}, &seeing{account: "default"}, &seeing{account: "emea"}
		crms := []*ingest.CRM{
			{Provider: "acme", Watcher: first, Lister: first, Drainer: first},
			{Provider: "acme", Org: "emea", Watcher: further, Lister: further, Drainer: further, Settle: time.Hour},
		}
		var mu sync.Mutex
		drained := map[string]string{}
		keeper := &Keeper{
			CRMs: crms, State: ingest.State{Shared: store, Secret: store}, Replica: "one", Ready: func(context.Context) bool { return true },
			Accept: func(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
				mu.Lock()
				defer mu.Unlock()
				drained[changes[0].Account] = changes[0].Org
				return make([]ingest.Ack, len(changes)), nil
			},
			Metrics: NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			keeper.Run(ctx)
		}()
		time.Sleep(time.Minute)
		if err := keeper.Wake(ctx, crms[1]); err != nil {
			t.Error(err)
		}
		keeper.Missed("acme.emea", "", time.Now())
		time.Sleep(time.Minute)
		stop()
		<-done
		if first.looks != 1 || further.looks != 2 {
			t.Errorf("%d and %d looks", first.looks, further.looks)
		}
		want := []string{
			"acme.drained", "acme.seen", "channels.acme", "channels.acme.emea", "claim.acme", "claim.acme.emea",
			"org.acme.emea.acme.drained", "org.acme.emea.acme.seen",
			"repairs.acme", "repairs.acme.emea", "wake.acme.emea",
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(store.All()))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]string{"default": "", "emea": "emea"}, drained); diff != "" {
			t.Errorf("what was drained is of another org: %s", diff)
		}
		for i, account := range []string{"default", "emea"} {
			channels, err := keeper.Channels(t.Context(), crms[i])
			if err != nil || len(channels) != 1 || channels[0].Account != account {
				t.Errorf("channels of %s: %v, %v", account, channels, err)
			}
			if gaps := store.All()["repairs."+crms[i].Key()]; strings.Contains(gaps, "callbacks were refused") != (account == "emea") {
				t.Errorf("gaps of %s: %s", account, gaps)
			}
		}
	})
}

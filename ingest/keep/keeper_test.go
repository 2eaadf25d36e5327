package keep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// world is a CRM, the replicas that keep its channels, and all that became known.
type world struct {
	t     *testing.T
	crm   *zohotest.CRM
	state ingest.State

	keeper *keep.Keeper // of the last replica

	mu      sync.Mutex
	down    bool                 // no replica can take callbacks
	heard   map[string]time.Time // by record: the latest change that is known
	changed map[string]time.Time // by record: the latest change that was made
	origins map[ingest.Origin]int
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, state: ingesttest.State(), heard: map[string]time.Time{}, changed: map[string]time.Time{}, origins: map[ingest.Origin]int{},
		crm: &zohotest.CRM{ClientID: "client", ClientSecret: "client-secret", RefreshToken: "refresh-token"},
	}
	w.crm.Callbacks = ingesttest.Direct(http.HandlerFunc(w.callback))
	return w
}

func (w *world) callback(answer http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var told struct{ IDs []string }
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || json.Unmarshal(body, &told) != nil {
		answer.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for _, id := range told.IDs {
		w.heard[id] = time.Now()
	}
	w.origins[ingest.Live]++
}

func (w *world) accept(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, ingest.ErrRetry
	}
	for _, change := range changes {
		w.origins[change.Origin]++
		if id := change.IDs[0]; change.OccurredAt.Add(time.Second).After(w.heard[id]) {
			w.heard[id] = change.OccurredAt.Add(time.Second) // the API tells whole seconds
		}
	}
	return make([]ingest.Ack, len(changes)), nil
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// replica starts one that keeps until stop is called.
func (w *world) replica(name string) (stop func()) {
	client := &zoho.Client{
		HTTP: &http.Client{Transport: ingesttest.Direct(w.crm)}, TokenURL: "https://accounts.test/oauth/v2/token", APIURL: "https://api.test", Version: "v8",
		ClientID: "client", ClientSecret: "client-secret", RefreshToken: "refresh-token", State: w.state,
	}
	events := ingest.WantedEvents{}
	if err := events.Decode("Deals.all"); err != nil {
		w.t.Fatal(err)
	}
	channels := &zoho.Channels{Client: client, Account: "default", Secrets: ingest.SecretList{"a-token-secret"}, PublicURL: "https://bridge.test", Events: events}
	keeper := &keep.Keeper{
		CRMs: []*ingest.CRM{{Provider: "zoho", Watcher: channels, Lister: channels, Clock: channels.Clock}}, State: w.state, Accept: w.accept, Replica: name,
		Ready: func(context.Context) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return !w.down
		},
		Metrics: keep.NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
	}
	w.keeper = keeper
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keeper.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// live lets time go by, in which records are made and edited.
func (w *world) live(span time.Duration) {
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(7 * time.Minute) {
		id, err := w.crm.Create("Deals", map[string]any{"Deal_Name": fmt.Sprint("made ", time.Now())})
		if err != nil && !w.isDown() {
			w.t.Error(err)
		}
		if id != "" {
			w.changed[id] = time.Now()
		}
	}
}

func (w *world) isDown() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down
}

// knowsAll fails if a change is not known.
func (w *world) knowsAll() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var missing []string
	for id, at := range w.changed {
		if w.heard[id].Add(time.Second).Before(at) {
			missing = append(missing, fmt.Sprintf("%s at %s", id, at.Format(time.DateTime)))
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		w.t.Errorf("of %d changes %d are not known, the first is that of %s; known by %v", len(w.changed), len(missing), missing[0], w.origins)
	}
}

// Three weeks in which a replica dies, a channel does, no bridge is there for hours, and callbacks are refused for an
// hour: one replica at a time keeps the channel, and in the end every change is known.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		long := 8 * 24 * time.Hour // a channel lives for a week
		if testing.Short() {
			long = 8 * time.Hour
		}
		first := w.replica("first")
		time.Sleep(time.Minute)
		second := w.replica("second")
		w.live(long)
		w.knowsAll()
		if w.origins[ingest.Repair] > 0 {
			t.Errorf("%d records were read although nothing had happened", w.origins[ingest.Repair])
		}
		first() // the second takes over
		w.live(long)
		w.knowsAll()

		w.crm.Kill("")
		w.live(26 * time.Hour) // it is found dead at the daily look
		w.live(time.Hour)
		w.knowsAll()

		second()
		w.setDown(true)
		w.live(5 * time.Hour) // no bridge at all
		w.setDown(false)
		third := w.replica("third")
		w.live(2 * time.Hour)
		w.knowsAll()

		w.setDown(true)
		w.live(time.Hour) // 503
		w.setDown(false)
		w.live(2 * time.Hour)
		w.knowsAll()
		if w.origins[ingest.Repair] == 0 {
			t.Error("nothing was repaired, so this proves nothing")
		}
		third()
	})
}

// blips is a store that fails to save the next values that hold a word.
type blips struct {
	ingest.Store
	word string
	left atomic.Int32 // the keeper and the renewal of its claim save at the same time
}

func (b *blips) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if strings.Contains(string(value), b.word) && b.left.Add(-1) >= 0 {
		return 0, errors.New("the store is unreachable")
	}
	return b.Store.Save(ctx, key, value, revision)
}

// A gap that cannot be noted at first is noted later, and nothing of it is forgotten meanwhile.
func TestGapSurvivesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		store := &blips{Store: w.state.Shared, word: "no subscription was alive"}
		store.left.Store(3)
		w.state.Shared = store
		stop := w.replica("one")
		time.Sleep(time.Minute)
		w.live(2 * time.Hour)
		w.crm.Kill("")
		w.live(30 * time.Hour)
		w.knowsAll()
		if store.left.Load() > 0 {
			t.Error("the store never failed, so this proves nothing")
		}
		stop()
	})
}

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// deadOf returns what is listed as given up on by a consumer, once it is so much.
func deadOf(t *testing.T, b *bridge, dir, name string, n int) (all []listedDead) {
	t.Helper()
	waitFor(t, func() bool {
		out, code := command(t, b, dir, "consumers", "--dead", name)
		if all = nil; code != 0 {
			t.Fatalf("ended with %d: %s", code, out)
		}
		for line := range strings.Lines(out) {
			var one listedDead
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			all = append(all, one)
		}
		return len(all) == n
	})
	return all
}

type listedDead struct {
	Sequence        uint64
	Reason, EventID string
	ReplayedAt      *time.Time
}

// What a consumer gave up on comes again on subjects of its own, once, and then stays listed as replayed; what it gives up on later
// comes after it. No other consumer is affected.
func TestReplayDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	env := onBridge(b, dir)
	var want []string
	for i := range 4 {
		want = append(want, post(t, b.Callbacks+path, distinct(i)).Events[0].ID)
	}
	billing := job(t, b.NATS, jetstream.ConsumerConfig{Durable: "billing"})
	if err := fetched(t, billing, 1)[0].Ack(); err != nil {
		t.Fatal(err)
	}
	terminate(t, billing, 2)
	if dead := deadOf(t, b, dir, "billing", 2); dead[0].EventID != want[1] || dead[0].Reason != "terminated: no such customer" || dead[1].Sequence != 3 {
		t.Errorf("%+v", dead)
	}
	const gauge = `crm_bridge_consumer_dead{consumer="billing",stream="CRM"}`
	waitFor(t, func() bool {
		_, text := get(t, b.Admin+"/metrics")
		return strings.Contains(text, gauge+" 2\n")
	})
	for _, stranger := range [][]string{{}, {"--to", "subject"}} {
		if r := replay(t, onBridge(b, t.TempDir()), append(stranger, "--dead", "billing")...); r.code != 1 || !strings.Contains(r.errs, "the bridge's own user") {
			t.Errorf("a reader gets %d: %s", r.code, r.errs)
		}
	}
	if r := replay(t, env, "--dead", "billing", "--dry-run"); r.code != 0 || !strings.Contains(r.out, `"subject":"crm.zoho.Contacts.edit","events":2`) {
		t.Errorf("the dry run ended with %d: %s%s", r.code, r.out, r.errs)
	}
	does(t, b, dir, `"dead":2`, "consumers", "pause", "billing", "--for", "1s")
	if got := sequences(lines(t, env, "--dead", "billing")); fmt.Sprint(got) != "[2 3]" || deadOf(t, b, dir, "billing", 2)[0].ReplayedAt != nil {
		t.Errorf("stdout got %v, and it is marked as replayed", got)
	}

	bring := func(says string, jobs ...string) {
		t.Helper()
		if r := replay(t, env, "--dead", "billing", "--to", "subject"); r.code != 0 || !strings.Contains(r.out+r.errs, says) {
			t.Fatalf("ended with %d: %s%s", r.code, r.out, r.errs)
		}
		var got []string
		for _, m := range held(t, b.NATS, "billing") {
			var e struct{ ID string }
			if err := json.Unmarshal(m.Data, &e); err != nil || m.Subject != "crm-replay.billing.zoho.Contacts.edit" {
				t.Errorf("%s: %v", m.Subject, err)
			}
			got = append(got, e.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(jobs) {
			t.Errorf("it brought %v, not %v", got, jobs)
		}
	}
	bring(`"job":"billing"`, want[1:3]...)
	if dead := deadOf(t, b, dir, "billing", 2); dead[0].ReplayedAt == nil || dead[1].ReplayedAt == nil {
		t.Errorf("%+v", dead)
	}
	bring("nothing to replay", want[1:3]...)
	terminate(t, billing, 1)
	deadOf(t, b, dir, "billing", 3)
	bring(`"events":1`, want[1:]...)
	waitFor(t, func() bool { return metric(t, b, gauge) == "0" })

	does(t, b, dir, `"cleared":3`, "consumers", "--dead", "billing", "--clear", "--yes")
	deadOf(t, b, dir, "billing", 0)
	if len(held(t, b.NATS, "billing")) != 3 {
		t.Error("what was re-delivered is gone")
	}
}

// A replay of dead messages to an endpoint marks them when it has taken all of them, and not before.
func TestReplayDeadOverHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	for i := range 2 {
		post(t, b.Callbacks+path, distinct(i))
	}
	billing := job(t, b.NATS, jetstream.ConsumerConfig{Durable: "billing"})
	terminate(t, billing, 2)
	deadOf(t, b, dir, "billing", 2)
	var rejects atomic.Bool
	rejects.Store(true)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rejects.Load() && strings.Contains(r.Header.Get("User-Agent"), "crm-bridge") {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(endpoint.Close)
	env := onBridge(b, dir)
	if r := replay(t, env, "--dead", "billing", "--to", endpoint.URL, "--skip-refused"); r.code != 0 || !strings.Contains(r.errs, "nothing is marked") {
		t.Errorf("ended with %d: %s", r.code, r.errs)
	}
	if r := replay(t, env, "--dead", "billing", "--to", endpoint.URL, "--job", "again"); r.code != 1 {
		t.Errorf("ended with %d: %s", r.code, r.errs)
	}
	if dead := deadOf(t, b, dir, "billing", 2); dead[0].ReplayedAt != nil || dead[1].ReplayedAt != nil {
		t.Errorf("%+v", dead)
	}
	rejects.Store(false)
	if r := replay(t, env, "--dead", "billing", "--to", endpoint.URL, "--job", "again"); r.code != 0 || !strings.Contains(r.out, `"events":2`) {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.errs)
	}
	if dead := deadOf(t, b, dir, "billing", 2); dead[0].ReplayedAt == nil || dead[1].ReplayedAt == nil {
		t.Errorf("%+v", dead)
	}
}

// A replay of dead messages that is resumed brings what it began with, and marks that alone: not what the consumer gave up on meanwhile.
func TestReplayDeadIsResumed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	var ids []string
	for i := range 3 {
		ids = append(ids, post(t, b.Callbacks+path, distinct(i)).Events[0].ID)
	}
	billing := job(t, b.NATS, jetstream.ConsumerConfig{Durable: "billing"})
	messages := fetched(t, billing, 3)
	for _, m := range messages[1:] {
		if err := m.Term(); err != nil {
			t.Fatal(err)
		}
	}
	deadOf(t, b, dir, "billing", 2)
	var mu sync.Mutex
	var taken []string
	rejected := ids[2]
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct{ ID string }
		_ = json.NewDecoder(r.Body).Decode(&e)
		mu.Lock()
		defer mu.Unlock()
		if e.ID == rejected {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		taken = append(taken, e.ID)
	}))
	t.Cleanup(endpoint.Close)
	env := onBridge(b, dir)
	if r := replay(t, env, "--dead", "billing", "--to", endpoint.URL, "--job", "slow"); r.code != 1 {
		t.Fatalf("ended with %d: %s", r.code, r.errs)
	}
	if err := messages[0].Term(); err != nil {
		t.Fatal(err)
	}
	deadOf(t, b, dir, "billing", 3)
	mu.Lock()
	rejected = ""
	mu.Unlock()
	if r := replay(t, env, "--dead", "billing", "--to", endpoint.URL, "--job", "slow"); r.code != 0 {
		t.Fatalf("ended with %d: %s", r.code, r.errs)
	}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(taken) != fmt.Sprint(ids[1:]) {
		t.Errorf("the endpoint took %v, not %v", taken, ids[1:])
	}
	for _, one := range deadOf(t, b, dir, "billing", 3) {
		if (one.ReplayedAt != nil) != (one.Sequence > 1) {
			t.Errorf("%+v", one)
		}
	}
}

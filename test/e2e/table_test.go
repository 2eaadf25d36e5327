package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

var tableSeed = flag.Uint64("table.seed", 0, "of the changes and failures in TestTableEqualsTheCRM; 0: another each time")

// tableCase is a way in which the bridge runs, and the CRM beside it.
type tableCase struct {
	mode     string // of delivery
	replicas int
	skew     time.Duration // of the CRM's clock
	mended   mended        // how what was lost is made up for
}

type mended int

const (
	byRepair   mended = iota // of the bridge: callbacks are lost while it is down, or its channel is dead
	byBackfill               // at the end: they are lost while it runs, too
	byRepeats                // of the callbacks alone
)

// However records change, callbacks are lost, late or repeated, the API fails and bridges are killed: once everything is acknowledged
// the table is the CRM, no state was followed by an older one, and each begins where the last has ended.
func TestTableEqualsTheCRM(t *testing.T) {
	seed := *tableSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for name, c := range map[string]tableCase{
		"embedded, repaired":       {"embedded", 1, -7 * time.Minute, byRepair},
		"embedded, backfilled":     {"embedded", 1, 4 * time.Minute, byBackfill},
		"embedded, repeated":       {"embedded", 1, 2 * time.Minute, byRepeats},
		"journal, backfilled":      {"journal", 1, -3 * time.Minute, byBackfill},
		"two replicas, backfilled": {"direct", 2, 6 * time.Minute, byBackfill},
		"two replicas, repeated":   {"direct", 2, -5 * time.Minute, byRepeats},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("repeat it with -table.seed %d", seed)
			newTableRun(t, c, seed).run()
		})
	}
}

// tableRun is a CRM, and the bridges that keep a table of its deals.
type tableRun struct {
	*testing.T
	tableCase
	crm     *unreliable
	random  *rand.Rand
	env     []string // of all replicas
	own     [][]string
	dirs    []string
	bridges []*bridge
	js      jetstream.JetStream
	nats    string
}

func newTableRun(t *testing.T, c tableCase, seed uint64) *tableRun {
	random := rand.New(rand.NewPCG(seed, uint64(c.skew.Abs().Minutes())))
	crm := &unreliable{loses: c.mended == byBackfill, repeats: c.mended == byRepeats, calm: true, random: rand.New(rand.NewPCG(random.Uint64(), 2)), CRM: &zohotest.CRM{
		ClientID: "1000.CLIENT", ClientSecret: "the-secret-of-the-client", RefreshToken: "1000.the-refresh-token",
	}}
	crm.Callbacks = crm
	crm.SetSkew(c.skew)
	api, natsPort := httptest.NewServer(crm), freePort(t)
	t.Cleanup(api.Close)
	r := &tableRun{T: t, tableCase: c, crm: crm, random: random, nats: "nats://127.0.0.1:" + natsPort}
	r.env = append(r.env,
		"BRIDGE_PUBLIC_URL=http://bridge.example", "BRIDGE_ZOHO_EVENTS=Deals.all", "BRIDGE_ZOHO_RECORDS=Deals", "BRIDGE_RECORDS_HISTORY=64",
		"BRIDGE_STATE_KEY=the-state-key-of-this-test", "BRIDGE_ZOHO_TOKEN_SECRET=the-token-secret-of-this-test",
		"BRIDGE_ZOHO_CLIENT_ID=1000.CLIENT", "BRIDGE_ZOHO_CLIENT_SECRET=the-secret-of-the-client", "BRIDGE_ZOHO_REFRESH_TOKEN=1000.the-refresh-token",
		"BRIDGE_ZOHO_ACCOUNTS_URL="+api.URL, "BRIDGE_ZOHO_API_URL="+api.URL)
	if c.mode != "embedded" {
		r.nats = openRemote(t, t.TempDir(), -1).ClientURL()
		r.env = append(r.env, "BRIDGE_NATS_URL="+r.nats, "BRIDGE_DELIVERY="+c.mode)
	}
	for range c.replicas {
		address := "127.0.0.1:" + freePort(t)
		crm.bridge = append(crm.bridge, address)
		r.dirs = append(r.dirs, t.TempDir())
		r.own = append(r.own, []string{"BRIDGE_LISTEN=" + address, "BRIDGE_NATS_LISTEN=127.0.0.1:" + natsPort})
	}
	r.bridges = make([]*bridge, c.replicas)
	return r
}

func (r *tableRun) start(i int) {
	r.Helper()
	r.bridges[i] = start(r.T, r.dirs[i], append(r.own[i], r.env...)...)
}

func (r *tableRun) run() {
	for i := range r.bridges {
		r.start(i)
	}
	waitFor(r.T, func() bool { return len(r.crm.Live()) == 1 })
	r.crm.setCalm(false)
	r.changeAndKill()
	r.crm.calmDown()
	if r.mended == byBackfill {
		last := r.crm.Now()
		// A backfill ends before the current second, and knows the clock to about one.
		waitFor(r.T, func() bool { return r.crm.Now().Sub(last) > 3*time.Second })
		env := append(r.own[0], r.env...)
		if out, code := elsewhere(r.T, append(env, "BRIDGE_DATA_DIR="+r.dirs[0]), "backfill", "zoho", "--module", "Deals", "--since", "1h"); code != 0 {
			r.Fatalf("the backfill ended with %d: %s", code, out)
		}
	}
	r.connect()
	if r.mode == "journal" {
		waitFor(r.T, func() bool { return metric(r.T, r.bridges[0], "crm_bridge_journal_pending") == "0" })
	}
	if r.mended == byRepair { // how soon a repair is made is not known
		waitFor(r.T, func() bool { return len(r.differences(r.states())) == 0 })
	}
	waitFor(r.T, r.acknowledged)
	states := r.states()
	for _, difference := range append(r.differences(states), disorder(states)...) {
		r.Error(difference)
	}
}

// changeAndKill changes records, and kills bridges meanwhile at moments of the walk of an event to its state.
func (r *tableRun) changeAndKill() {
	const changes, kills = 240, 4
	changing := rand.New(rand.NewPCG(r.random.Uint64(), 3))
	steps, changed := make(chan int, changes), make(chan struct{})
	go func() {
		defer close(changed)
		r.crm.change(changing, changes, func(done int) { steps <- done })
	}()
	until := func(step int) {
		for done := range steps {
			if done >= step {
				return
			}
		}
	}
	for kill := range kills {
		until(20 + kill*changes/kills)
		select { // a moment that the end of the changes forestalls is as good
		case <-r.crm.next(moment(r.random.IntN(2))):
		case <-changed:
		}
		if r.mended != byRepeats && (len(r.bridges) == 1 || kill == kills-1) { // another replica would renew it half a minute later
			r.crm.Kill("")
		}
		victim := r.random.IntN(len(r.bridges))
		_ = r.bridges[victim].stop(r.T, syscall.SIGKILL)
		until(20 + kill*changes/kills + r.random.IntN(20))
		r.start(victim)
	}
	<-changed
}

func (r *tableRun) connect() {
	conn, err := nats.Connect(r.nats)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(conn.Close)
	if r.js, err = jetstream.New(conn); err != nil {
		r.Fatal(err)
	}
}

// acknowledged reports whether every event led to its states.
func (r *tableRun) acknowledged() bool {
	consumer, err := r.js.Consumer(r.Context(), "CRM", "crm-bridge-records-zoho")
	if err != nil {
		return false
	}
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

// states returns all states of each record, oldest first.
func (r *tableRun) states() map[string][]schemas.Record {
	r.Helper()
	all := map[string][]schemas.Record{}
	stream, err := r.js.Stream(context.Background(), "CRM_RECORDS")
	if err != nil {
		r.Fatal(err)
	}
	state := stream.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq && state.Msgs > 0; sequence++ {
		msg, err := stream.GetMsg(r.Context(), sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		var e struct{ Data schemas.Record }
		if err == nil {
			err = json.Unmarshal(msg.Data, &e)
		}
		if err != nil {
			r.Fatal(err)
		}
		id := msg.Subject[strings.LastIndex(msg.Subject, ".")+1:]
		all[id] = append(all[id], e.Data)
	}
	return all
}

// differences are those between the table and the CRM.
func (r *tableRun) differences(states map[string][]schemas.Record) (all []string) {
	rows := r.crm.Rows("Deals")
	for id := range states {
		if _, known := rows[id]; !known {
			all = append(all, fmt.Sprintf("the CRM has never had record %s", id))
		}
	}
	for id, row := range rows {
		var last schemas.Record
		if n := len(states[id]); n > 0 {
			last = states[id][n-1]
		}
		if is, want := normal(last.After), normal(row); !reflect.DeepEqual(is, want) {
			all = append(all, fmt.Sprintf("record %s is %v, its %d states end with %v of %s, caused by %v", id, want, len(states[id]), is, last.ModifiedAt, last.Causes))
		}
	}
	return all
}

// normal returns a value of JSON as it can be compared; nil: null, or there is none.
func normal(value any) (all any) {
	text, _ := json.Marshal(value)
	if string(text) != "null" {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		_ = decoder.Decode(&all)
	}
	return all
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// disorder is where a state is older than the one before it, or does not begin with it.
func disorder(states map[string][]schemas.Record) (all []string) {
	for id, history := range states {
		if len(history) == 64 {
			all = append(all, fmt.Sprintf("record %s has more states than are kept: this test needs fewer changes", id))
		}
		var before schemas.Record
		var shown time.Time // the latest modification that a state has shown
		for i, state := range history {
			var after struct {
				ModifiedAt time.Time `json:"Modified_Time"`
			}
			_ = json.Unmarshal(state.After, &after)
			if state.ModifiedAt.Before(before.ModifiedAt) || state.After != nil && after.ModifiedAt.Before(shown) {
				all = append(all, fmt.Sprintf("record %s went back with state %d: from %s to %s, which shows %s", id, i, before.ModifiedAt, state.ModifiedAt, state.After))
			}
			shown = later(shown, after.ModifiedAt)
			if !reflect.DeepEqual(normal(state.Before), normal(before.After)) {
				all = append(all, fmt.Sprintf("record %s: state %d begins with %s, the last ended with %s", id, i, state.Before, before.After))
			}
			before = state
		}
	}
	return all
}

package keep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// weighed is a store that notes its largest value.
type weighed struct {
	ingest.Memory
	mu      sync.Mutex
	largest int
	saves   int
}

func (s *weighed) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.mu.Lock()
	s.largest = max(s.largest, len(value))
	s.saves++
	s.mu.Unlock()
	return s.Memory.Save(ctx, key, value, revision)
}

// lister lists nothing, slowly, and notes how often each module of each account was listed. One account fails after a minute.
type lister struct {
	mu     sync.Mutex
	listed map[string]int
	dead   string
}

func (l *lister) Changed(ctx context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		if q.Account == l.dead {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			yield(ingest.Page{}, errors.New("no answer"))
			return
		}
		time.Sleep(100 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.listed[q.Account+"/"+q.Module]++
	}
}

// An outage of a thousand accounts with three modules each is repaired within half an hour, also where one account does not answer.
func TestRepairsOfManyAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, l := &weighed{}, &lister{listed: map[string]int{}}
		var accounts, modules []string
		var channels []ingest.Channel
		for i := range 3 {
			modules = append(modules, fmt.Sprint("Module", i))
		}
		many := 1000
		if testing.Short() {
			many = 50
		}
		for i := range many {
			accounts = append(accounts, fmt.Sprintf("%032x", i))
			channels = append(channels, ingest.Channel{Provider: "crm", Account: accounts[i], ID: "events", State: "active", Modules: modules})
		}
		l.dead = accounts[7]
		crm := &ingest.CRM{Provider: "crm", Accounts: accounts, Lister: l}
		keeper := &Keeper{
			CRMs:  []*ingest.CRM{crm},
			State: ingest.State{Shared: store, Secret: &ingest.Memory{}}, Ready: func(context.Context) bool { return true }, Replica: "one",
			Metrics: NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
		}
		if err := keeper.Remember(t.Context(), crm, channels); err != nil {
			t.Fatal(err)
		}
		if back, err := keeper.Channels(t.Context(), crm); err != nil || len(back) != len(channels) || back[many-1].Account != accounts[many-1] {
			t.Fatalf("%d channels: %v", len(back), err)
		}
		run := func(d time.Duration) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				keeper.Run(ctx)
			}()
			time.Sleep(d)
			cancel()
			<-done
		}
		run(time.Minute)
		time.Sleep(10 * time.Minute) // the outage
		run(30 * time.Minute)
		t.Logf("the largest value has %d bytes; %d saves", store.largest, store.saves)
		if store.largest > 64<<10 {
			t.Errorf("the largest value has %d bytes", store.largest)
		}
		for _, account := range accounts {
			for _, module := range modules {
				if n := l.listed[account+"/"+module]; n != 2 && account != l.dead { // and once more, for what is listed late
					t.Fatalf("%s of %s was listed %d times", module, account, n)
				}
			}
		}
		repairs, err := keeper.Repairs(t.Context(), crm)
		if at := repairs.Last(channels[3]); err != nil || at.IsZero() {
			t.Errorf("repaired at %s: %v", at, err)
		}
		if at := repairs.Last(channels[7]); !at.IsZero() {
			t.Errorf("the account that does not answer was repaired at %s", at)
		}
		if len(repairs.Open) != len(modules) || repairs.Open[0].Account != l.dead || repairs.Open[0].Problem == "" {
			t.Errorf("open are %+v", repairs.Open)
		}
		if err := keeper.Remember(t.Context(), crm, channels[:many/5]); err != nil {
			t.Fatal(err)
		}
		if back, err := keeper.Channels(t.Context(), crm); err != nil || len(back) != many/5 {
			t.Errorf("of %d channels %d are left: %v", many/5, len(back), err)
		}
	})
}

// Few accounts stay in one value, as in earlier versions; more are divided, and what was noted before is repaired all the same.
func TestAccountsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := opened(t)
		l := &lister{listed: map[string]int{}}
		k.Lister, k.metrics = l, NewKeeperMetrics(prometheus.NewRegistry())
		if err := k.note(t.Context(), gap("Deals", 1, 2).Gap); err != nil || len(gapsOf(t, k)) != 1 {
			t.Fatalf("%v, %v", gapsOf(t, k), err)
		}
		k.Accounts = make([]string, fewAccounts+1)
		if err := k.note(t.Context(), gap("Leads", 1, 2).Gap); err != nil || len(gapsOf(t, k)) != 1 {
			t.Fatalf("%v, %v", gapsOf(t, k), err)
		}
		time.Sleep(time.Minute)
		if err := k.repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l.listed["default/Deals"] != 1 || l.listed["default/Leads"] != 1 {
			t.Errorf("listed: %v", l.listed)
		}
	})
}

package rest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Reads that wait are served before pages of a backfill that have waited longer.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &rest.Turns{AtOnce: 1}
		served := make(chan string, 10)
		call := func(name string, rank rest.Rank) {
			go inTurn(t, turns, rank, func() { served <- name })
			synctest.Wait()
		}
		for _, page := range []string{"page 1", "page 2", "page 3"} {
			call(page, rest.Past)
		}
		for _, read := range []string{"read 1", "read 2"} {
			call(read, rest.Live)
		}
		for _, want := range []string{"page 1", "read 1", "read 2", "page 2", "page 3"} {
			if got := <-served; got != want {
				t.Errorf("served %s, want %s", got, want)
			}
		}
		time.Sleep(time.Minute)
	})
}

// Never more calls are made at once than the bound.
func TestTurnsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns rest.Turns
		var busy atomic.Int32
		seen := make(chan int32, 50)
		for range 50 {
			go inTurn(t, &turns, rest.Live, func() {
				seen <- busy.Add(1)
				time.Sleep(time.Second)
				busy.Add(-1)
			})
		}
		most := int32(0)
		for range cap(seen) {
			most = max(most, <-seen)
		}
		if most != 4 {
			t.Errorf("%d at once", most)
		}
		time.Sleep(time.Hour)
	})
}

func inTurn(t *testing.T, turns *rest.Turns, rank rest.Rank, do func()) {
	done, err := turns.Take(t.Context(), rank)
	if err != nil {
		t.Error(err)
		return
	}
	defer done()
	do()
	time.Sleep(time.Second)
}

// A call whose time runs out while it waits costs the others no turn.
func TestTurnsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &rest.Turns{AtOnce: 1}
		done, err := turns.Take(t.Context(), rest.Past)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := turns.Take(ctx, rest.Live); err == nil {
			t.Fatal("two turns at once")
		}
		if _, err := turns.Take(ctx, rest.Live); err == nil {
			t.Fatal("a turn after the end")
		}
		done()
		if done, err = turns.Take(t.Context(), rest.Past); err != nil {
			t.Fatal(err)
		}
		done()
	})
}

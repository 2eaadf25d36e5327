package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/load"
)

// Every callback is a whole notification of the wanted size that names records of its own, and every answer but a 200 counts as refused.
func TestCallbacks(t *testing.T) {
	for _, w := range []workload{many(3), bodyOf(1 << 10), bodyOf(100_000), recordsOf(100)} {
		var mu sync.Mutex
		seen := map[string]int{}
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			raw, err := io.ReadAll(r.Body)
			var got struct {
				IDs    []string `json:"ids"`
				Values []struct {
					RecordID string `json:"record_id"`
				} `json:"affected_values"`
				Fields []map[string][]string `json:"affected_fields"`
			}
			if err == nil {
				err = json.Unmarshal(raw, &got)
			}
			if err != nil || len(got.IDs) != w.ids || w.size > 0 && len(raw) != w.size {
				t.Errorf("%s: %v: %d bytes: %.300s", w, err, len(raw), raw)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i, id := range got.IDs {
				if got.Values[i].RecordID != id || got.Fields[i][id] == nil {
					t.Errorf("%s: record %s has other values", w, id)
				}
				seen[id]++
			}
			if len(seen)/w.ids%2 == 0 {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = rw.Write([]byte(`{"events":[]}`))
		}))
		address := server.Listener.Addr().String()
		var numbers atomic.Int64
		l, err := load.Dial(t.Context(), address, callbacks[0].request(address, w), 3, &numbers)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Run(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		answers, refused := l.Count()
		if answers*w.ids != len(seen) || answers != int(numbers.Load()) || refused != answers/2 || answers < 3 {
			t.Errorf("%s: %d answers, %d of them refused; the server saw %d records", w, answers, refused, len(seen))
		}
		l.Close()
		server.Close()
	}
}

// Each subject is measured once a round under each workload, beside the others, and no two rounds begin alike.
func TestRoundsDiffer(t *testing.T) {
	p := plan{parts: parts, subjects: usual(), connections: []int{1, 64}, sizes: []int{1 << 10}, ids: []int{1, 100}}
	first := map[cell]bool{}
	for round := range 3 {
		order, count := inRound(p.tests(), round), map[cell]int{}
		for _, made := range order {
			count[cell{made.subject.name, made.workload}]++
		}
		for _, s := range usual() {
			for _, w := range p.workloads(partTable) {
				if count[cell{s.name, w}] != 1 {
					t.Errorf("round %d: %s, %s is measured %d times", round, s.name, w, count[cell{s.name, w}])
				}
			}
		}
		if begins := (cell{order[0].subject.name, order[0].workload}); first[begins] {
			t.Errorf("two rounds begin with %v", begins)
		} else {
			first[begins] = true
		}
	}
}

// A target is checked by the median, and left out if it was not measured.
func TestVerdicts(t *testing.T) {
	r := &results{measured: map[cell][]measurement{
		{committed, many(256)}:   {{rate: 70}, {rate: 90}, {rate: 85}},
		{floorNoSync, many(256)}: {{rate: 100}, {rate: 100}, {rate: 100}},
		{floorSynced, many(256)}: {{rate: 20}, {rate: 20}, {rate: 20}},
	}}
	var page strings.Builder
	judge(&page, r)
	var got []string
	for line := range strings.Lines(page.String()) {
		if cells := strings.Split(line, " | "); len(cells) == 4 && strings.Contains(cells[0], "`") {
			got = append(got, strings.Trim(cells[3], " |\n"))
		}
	}
	if want := []string{"reached", "**missed**"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q:\n%s", got, want, page.String())
	}
}

// A smoke run fails when even its best round is far off.
func TestSmoke(t *testing.T) {
	for rate, fails := range map[float64]bool{10: true, 60: false} {
		r := &results{measured: map[cell][]measurement{
			{committed, many(64)}:   {{rate: 1, cpu: time.Millisecond}, {rate: rate, cpu: time.Microsecond}},
			{floorNoSync, many(64)}: {{rate: 100, cpu: time.Microsecond}, {rate: 100, cpu: time.Microsecond}},
		}}
		var said strings.Builder
		if err := smoke(&said, r); (err != nil) != fails {
			t.Errorf("at %.0f of 100: %v: %s", rate, err, said.String())
		}
	}
}

// A sample belongs to the part of its innermost function that has one.
func TestShares(t *testing.T) {
	shares, allocations, err := sharesOf(`File: crm-bridge
Type: cpu
-----------+-------------------------------------------------------
      30ms   runtime.memmove
             runtime.mallocgc
             encoding/json.Marshal
             github.com/crm-bridge/crm-bridge/transform.(*Mapping).Events
             github.com/labstack/echo/v4.(*Echo).ServeHTTP
             net/http.(*conn).serve
-----------+-------------------------------------------------------
      1.5s   internal/runtime/syscall.Syscall6
             net.(*conn).Write
             net/http.(*conn).serve
-----------+-------------------------------------------------------
    stream:  CRM
      type:  stream
     470ms   runtime.futex
             runtime.schedule
             runtime.mcall
`)
	if err != nil || shares["making the event"] != 0.015 || shares[scheduler] != 0.235 || allocations != 0.015 || len(shares) != 3 {
		t.Errorf("%v, %v, %v", shares, allocations, err)
	}
}

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Every request of a load is complete and names another record, and every answer but a 200 counts as refused.
func TestLoad(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		if err != nil || len(got.IDs) != 1 || got.Values[0].RecordID != got.IDs[0] || got.Fields[0][got.IDs[0]] == nil {
			t.Errorf("%v: %s", err, raw)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[got.IDs[0]]++
		if len(seen)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(`{"events":[]}`))
	}))
	defer server.Close()
	var next atomic.Int64
	l, err := dial(t.Context(), server.Listener.Addr().String(), callbacks[0], 3, &next)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if _, err := l.run(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	answers, refused := l.count()
	if answers != len(seen) || answers != int(next.Load()) || refused != answers/2 || answers < 3 {
		t.Errorf("%d answers, %d of them refused; the server saw %d records", answers, refused, len(seen))
	}
}

// An answer is complete when all of its body has been read, in however many pieces.
func TestAnswerInPieces(t *testing.T) {
	const whole = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nDate: now\r\n\r\nsorry"
	for n := range len(whole) - len("sorry") {
		if _, length, err := answered([]byte(whole[:n])); length != 0 || err != nil {
			t.Fatalf("%q: length %d, %v", whole[:n], length, err)
		}
	}
	if status, length, err := answered([]byte(whole[:len(whole)-2])); status != 503 || length != len(whole) || err != nil {
		t.Errorf("status %d, length %d, %v", status, length, err)
	}
	if _, _, err := answered([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")); err == nil {
		t.Error("an answer of unknown length is taken for whole")
	}
}

// Each subject is measured once a round, and no two rounds begin with the same one.
func TestRoundsDiffer(t *testing.T) {
	first := map[string]bool{}
	for round := range 3 {
		order := inRound(usual(), round)
		names := strings.Join(namesOf(order), ", ")
		for _, s := range usual() {
			if strings.Count(names+", ", s.name+", ") < 1 || len(order) != len(usual()) {
				t.Errorf("round %d: %s is missing in %s", round, s.name, names)
			}
		}
		if first[order[0].name] {
			t.Errorf("two rounds begin with %s", order[0].name)
		}
		first[order[0].name] = true
	}
}

// A target is checked by the median, and never reached if it was not measured.
func TestVerdicts(t *testing.T) {
	r := &results{measured: map[string]map[int][]measurement{
		committed:   {256: {{rate: 70}, {rate: 90}, {rate: 85}}},
		floorNoSync: {256: {{rate: 100}, {rate: 100}, {rate: 100}}},
		floorSynced: {256: {{rate: 20}, {rate: 20}, {rate: 20}}},
	}}
	var got []string
	for _, target := range targets[:4] {
		got = append(got, target.verdict(target.of(r)))
	}
	if want := "reached **missed** not measured not measured"; strings.Join(got, " ") != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// Rewriting a page keeps the text outside the marks, and rewriting it again changes nothing.
func TestRewrite(t *testing.T) {
	once, ok := between("before\n"+pageBegin+"old\n"+pageEnd+"after\n", "new")
	twice, _ := between(once, "new")
	if !ok || once != "before\n"+pageBegin+"\nnew\n"+pageEnd+"after\n" || once != twice {
		t.Errorf("%q, then %q", once, twice)
	}
	if _, ok := between("no marks", "new"); ok {
		t.Error("a page without marks is rewritten")
	}
}

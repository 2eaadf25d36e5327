package receive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// Only authenticated callbacks are missed at once when they are refused; others are not, whatever their answer.
func TestOnlyAuthenticatedIsMissed(t *testing.T) {
	away := func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return nil, errors.New("NATS is down") }
	for _, test := range []struct {
		name, target, body string
		change             func(*receive.Handler)
		status, missed     int
	}{
		{"accepted", "?key=right", "x", nil, 200, 0},
		{"forged", "", "x", nil, 401, 0},
		{"not safe", "?key=right", "x", func(h *receive.Handler) { h.Accept = away }, 503, 1},
		{"not safe, forged", "", "x", func(h *receive.Handler) { h.Accept = away }, 401, 0},
		{"beyond the rate", "?key=right", "x", func(h *receive.Handler) { h.Rate = 0.001 }, 429, 1},
		{"in quarantine", "?key=right", "malformed", nil, 400, 0},
		{"too long", "?key=right", strings.Repeat("x", 101), nil, 413, 0},
		{"it could not be asked", "", "unasked", nil, 503, 1},
		{"asking it failed for its own reasons", "", "retry", nil, 503, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			missed := 0
			b := open(func(h *receive.Handler) {
				h.Sources = []ingest.Source{asked{}}
				h.Missed = func(provider, _ string, _ time.Time) {
					if missed++; provider != "plain" {
						t.Errorf("missed by %q", provider)
					}
				}
				if test.change != nil {
					test.change(h)
				}
			})
			handler, status := b.HTTP(), 0
			for range 2 { // the second is beyond the rate
				response := httptest.NewRecorder()
				handler.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/plain/Deals"+test.target, strings.NewReader(test.body)))
				if status = response.Code; test.status != 429 {
					break
				}
			}
			if status != test.status || missed != test.missed {
				t.Errorf("answered %d, %d missed", status, missed)
			}
		})
	}
}

// asked is keyed, and sometimes cannot verify a callback.
type asked struct{ keyed }

func (a asked) Verify(ctx context.Context, cb ingest.Callback) error {
	switch string(cb.Body) {
	case "unasked":
		return ingest.ErrUnasked
	case "retry":
		return fmt.Errorf("%w: too many installations", ingest.ErrRetry)
	}
	return a.keyed.Verify(ctx, cb)
}

// Unauthenticated requests that keep callbacks out are missed twice an hour, not once each: at the beginning, and for all of them at the
// end of the hour.
func TestCrowdIsMissedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var missed []time.Time
		seen := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(missed)
		}
		b := open(func(h *receive.Handler) {
			h.Sources = []ingest.Source{asked{}}
			h.Missed = func(_, _ string, at time.Time) {
				mu.Lock()
				defer mu.Unlock()
				missed = append(missed, at)
			}
		})
		began := time.Now()
		for range 1800 { // half an hour
			b.post("unasked")
			time.Sleep(time.Second)
		}
		if got := seen(); len(got) != 1 || !got[0].Equal(began) {
			t.Fatalf("missed: %v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := seen(); len(got) != 3 || got[1].Sub(began) != time.Second || got[2].Sub(began) != 1799*time.Second {
			t.Errorf("missed: %v", got)
		}
		b.post("unasked")
		b.Flush()
		if got := seen(); len(got) != 5 {
			t.Errorf("what waited at the end is not missed: %v", got)
		}
	})
}

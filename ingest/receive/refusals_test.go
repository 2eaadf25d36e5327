package receive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// Of equal refusals the first is logged, then their number once a minute, and at the end; the metric counts each.
func TestEqualRefusalsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(nil)
		handler := b.HTTP()
		forge := func(n int) {
			for range n {
				request := httptest.NewRequest(http.MethodPost, "/plain/Deals", strings.NewReader("forged"))
				handler.ServeHTTP(httptest.NewRecorder(), request)
			}
		}
		lines := func() int { return strings.Count(b.log.String(), "\n") }
		forge(1000)
		if lines() != 1 {
			t.Fatalf("%d lines: %s", lines(), b.log.String())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !strings.Contains(b.log.String(), "count=999") || lines() != 2 {
			t.Fatalf("after a minute: %s", b.log.String())
		}
		forge(5)
		b.Flush()
		if !strings.Contains(b.log.String(), "count=5") || lines() != 3 {
			t.Fatalf("at the end: %s", b.log.String())
		}
		forge(1)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		forge(1) // after a quiet minute it is new again
		if lines() != 5 {
			t.Errorf("%d lines: %s", lines(), b.log.String())
		}
		want := "# HELP crm_bridge_callbacks_total Callbacks answered, by outcome.\n# TYPE crm_bridge_callbacks_total counter\ncrm_bridge_callbacks_total{outcome=\"forged\",source=\"plain\"} 1007\n"
		if err := testutil.GatherAndCompare(b.registry, strings.NewReader(want), "crm_bridge_callbacks_total"); err != nil {
			t.Error(err)
		}
	})
}

// Kinds of refusals are counted separately, regardless of quotations of the request, and their number is limited. Authenticated
// callbacks are always logged.
func TestKindsOfRefusals(t *testing.T) {
	reason := ""
	b := open(func(h *receive.Handler) {
		h.Sources = []ingest.Source{because{&reason}}
	})
	for i := range 50 {
		reason = fmt.Sprintf("wrong token for channel %q", fmt.Sprint("channel \" ", i))
		b.post("x")
	}
	reason = "it shows no secret"
	b.post("x")
	if lines := strings.Count(b.log.String(), "\n"); lines != 2 {
		t.Errorf("%d lines: %s", lines, b.log.String())
	}
	for i := range 1000 {
		reason = fmt.Sprint("reason ", i)
		b.post("x")
	}
	if lines := strings.Count(b.log.String(), "\n"); lines > 150 {
		t.Errorf("%d lines", lines)
	}
	reason = ""
	before := strings.Count(b.log.String(), "\n")
	for range 3 {
		b.post("malformed")
	}
	if lines := strings.Count(b.log.String(), "\n"); lines != before+3 {
		t.Errorf("%d lines for 3 callbacks in quarantine", lines-before)
	}
}

// because is plain, but refuses callbacks as forged if there is a reason.
type because struct{ reason *string }

func (because) Label() string                                      { return "plain" }
func (because) Routes() []ingest.Route                             { return plain{}.Routes() }
func (because) Secrets() ingest.Secrets                            { return ingest.Secrets{} }
func (because) Decode(cb ingest.Callback) ([]ingest.Change, error) { return plain{}.Decode(cb) }
func (b because) Verify(_ context.Context, _ ingest.Callback) error {
	if *b.reason != "" {
		return fmt.Errorf("%w: %s", ingest.ErrForged, *b.reason)
	}
	return nil
}

// hungUp is the connection of a client that has gone.
type hungUp struct{ http.ResponseWriter }

func (hungUp) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Clients that hang up before their answer write nothing to the log.
func TestHangUpsAreNotLogged(t *testing.T) {
	b := open(func(h *receive.Handler) {
		h.Public = map[string]receive.PublicFile{"/page": func(string) (http.Header, []byte, bool) { return http.Header{}, []byte("page"), true }}
	})
	for _, path := range []string{"/page", "/elsewhere"} {
		b.HTTP().ServeHTTP(hungUp{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, path, nil))
	}
	if text := b.log.String(); text != "" {
		t.Errorf("log: %s", text)
	}
}

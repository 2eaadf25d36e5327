package receive_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// probed is a bench that answers probes of /page made with "right", and what asks it.
func probed(t *testing.T, change func(*receive.Handler)) (b *bench, ask func(method, probe string) http.Header) {
	b = open(func(h *receive.Handler) {
		h.Public = map[string]receive.PublicFile{"/page": func(string) (http.Header, []byte, bool) { return http.Header{}, []byte("page"), true }}
		h.Prove = func(path, probe string) string {
			if path == "/page" && probe == "right" {
				return "proof"
			}
			return ""
		}
		if change != nil {
			change(h)
		}
	})
	door := b.HTTP()
	return b, func(method, probe string) http.Header {
		request := httptest.NewRequest(method, "/page", nil)
		if probe != "" {
			request.Header.Set(receive.ProbeHeader, probe)
		}
		response := httptest.NewRecorder()
		door.ServeHTTP(response, request)
		if response.Code != http.StatusOK {
			t.Errorf("the document is answered %d", response.Code)
		}
		return response.Header()
	}
}

func (b *bench) probes(t *testing.T, outcome string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "crm_bridge_connect_probes_total" && metric.GetLabel()[0].GetValue() == outcome {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// A probe gets its proof, which no cache keeps, and is counted and logged; a request for the document alone is not.
func TestProbe(t *testing.T) {
	b, ask := probed(t, nil)
	for _, test := range []struct{ method, probe, proof, cache string }{
		{http.MethodGet, "", "", "public, max-age=3600"},
		{http.MethodHead, "right", "", "public, max-age=3600"},
		{http.MethodGet, "right", "proof", "no-store"},
		{http.MethodGet, "guessed", "", "no-store"},
		{http.MethodGet, "guessed again", "", "no-store"},
	} {
		if got := ask(test.method, test.probe); got.Get(receive.ProofHeader) != test.proof || got.Get("Cache-Control") != test.cache {
			t.Errorf("%s %q: %v", test.method, test.probe, got)
		}
	}
	if proven, wrong := b.probes(t, "proven"), b.probes(t, "wrong"); proven != 1 || wrong != 2 {
		t.Errorf("counted are %v proven and %v wrong", proven, wrong)
	}
	if log := b.log.String(); strings.Count(log, "\n") != 2 || strings.Count(log, "none of the secrets") != 1 || !strings.Contains(log, "from=192.0.2.1") || strings.Contains(log, "guessed") {
		t.Errorf("log: %s", log)
	}
}

// However many probes come, a few a second are compared with secrets: the rest is refused, even a right one.
func TestProbesAreLimited(t *testing.T) {
	b, ask := probed(t, nil)
	for range 100 {
		ask(http.MethodGet, "guessed")
	}
	if got := ask(http.MethodGet, "right").Get(receive.ProofHeader); got != receive.ProbeLimited {
		t.Errorf("a probe beyond the limit is answered %q", got)
	}
	if wrong, limited := b.probes(t, "wrong"), b.probes(t, "limit"); wrong > 20 || wrong+limited != 101 {
		t.Errorf("%v probes were compared, and %v refused", wrong, limited)
	}
	if n := testutil.CollectAndCount(b.registry, "crm_bridge_limit_hits_total"); n != 1 {
		t.Error("the limit is not counted")
	}
	if lines := strings.Count(b.log.String(), "\n"); lines != 2 {
		t.Errorf("%d lines are logged", lines)
	}
}

// Where callbacks may not come from, secrets cannot be asked for either.
func TestProbesOfOtherNetworks(t *testing.T) {
	b, ask := probed(t, func(h *receive.Handler) { h.Allow = networks(t, "198.51.100.0/24") })
	if got := ask(http.MethodGet, "right").Get(receive.ProofHeader); got != receive.ProbeForbidden || b.probes(t, "network") != 1 {
		t.Errorf("a probe from elsewhere is answered %q", got)
	}
}

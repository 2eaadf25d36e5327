package receive_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

func networks(t *testing.T, text string) ingest.Networks {
	t.Helper()
	var n ingest.Networks
	if err := n.Decode(text); err != nil {
		t.Fatal(err)
	}
	return n
}

// Only allowed networks may post; a forwarded address counts only behind trusted proxies; the answer does not say why.
func TestAllowedNetworks(t *testing.T) {
	for _, test := range []struct {
		name, allow, proxies, peer, forwarded string
		status                                int
	}{
		{"everyone", "", "", "198.51.100.7:1", "", 200},
		{"inside", "198.51.100.0/24", "", "198.51.100.7:1", "", 200},
		{"outside", "198.51.100.0/24", "", "203.0.113.7:1", "", 401},
		{"one address", "203.0.113.7", "", "203.0.113.7:1", "", 200},
		{"IPv4 as IPv6", "203.0.113.7", "", "[::ffff:203.0.113.7]:1", "", 200},
		{"IPv6", "2001:db8::/32", "", "[2001:db8::1]:1", "", 200},
		{"forwarded, but nobody is trusted", "198.51.100.0/24", "", "203.0.113.7:1", "198.51.100.7", 401},
		{"forwarded by a stranger", "198.51.100.0/24", "10.0.0.0/8", "203.0.113.7:1", "198.51.100.7", 401},
		{"forwarded by a proxy", "198.51.100.0/24", "10.0.0.0/8", "10.1.2.3:1", "198.51.100.7", 200},
		{"forwarded by two proxies", "198.51.100.0/24", "10.0.0.0/8", "10.1.2.3:1", "198.51.100.7, 10.9.9.9", 200},
		{"a forged first entry", "198.51.100.0/24", "10.0.0.0/8", "10.1.2.3:1", "198.51.100.7, 203.0.113.7", 401},
		{"nonsense forwarded by an allowed proxy", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", "unknown", 401},
		{"forwarded with a port", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", "203.0.113.7:1234", 401},
		{"forwarded with a port, inside", "198.51.100.0/24", "10.0.0.0/8", "10.1.2.3:1", `"198.51.100.7:1234"`, 200},
		{"forwarded IPv6", "2001:db8::/32", "10.0.0.0/8", "10.1.2.3:1", "[2001:db8::1]:443", 200},
		{"nonsense forwarded", "198.51.100.0/24", "10.0.0.0/8", "10.1.2.3:1", "nonsense", 401},
		{"nothing behind the last comma", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", "8.8.8.8,", 401},
		{"nothing at all", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", " ", 401},
		{"nothing between commas", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", "8.8.8.8, ,10.0.0.1", 401},
		{"unknown", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", "8.8.8.8, unknown", 401},
		{"hidden", "10.0.0.0/8", "10.0.0.0/8", "10.1.2.3:1", "_hidden", 401},
		{"a zone", "10.0.0.0/8,fe80::/10", "10.0.0.0/8", "10.1.2.3:1", "fe80::1%eth0", 401},
		{"half of a pair of brackets", "10.0.0.0/8,2001:db8::/32", "10.0.0.0/8", "10.1.2.3:1", "[2001:db8::1", 401},
		{"a peer with a zone", "fe80::/10", "", "[fe80::1%eth0]:1", "", 200},
		{"an address in quotes with a port", "2001:db8::/32", "10.0.0.0/8", "10.1.2.3:1", `"[2001:db8::1]:443"`, 200},
		{"the proxy itself", "198.51.100.0/24", "10.0.0.0/8", "10.1.2.3:1", "", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(func(h *receive.Handler) {
				if test.allow != "" {
					h.Allow = networks(t, test.allow)
				}
				if test.proxies != "" {
					h.TrustedProxies = networks(t, test.proxies)
				}
			})
			request := httptest.NewRequest(http.MethodPost, "/plain/Deals", strings.NewReader("ok"))
			request.RemoteAddr = test.peer
			if test.forwarded != "" {
				request.Header.Set("X-Forwarded-For", test.forwarded)
			}
			response := httptest.NewRecorder()
			b.HTTP().ServeHTTP(response, request)
			if response.Code != test.status {
				t.Errorf("answered %d: %s", response.Code, response.Body)
			}
			if strings.Contains(response.Body.String(), "network") {
				t.Errorf("the answer says why: %s", response.Body)
			}
			if test.status == 401 && !strings.Contains(b.log.String(), "none of the allowed networks") {
				t.Errorf("the log does not say why: %s", b.log.String())
			}
		})
	}
}

// Beyond the rate authenticated callbacks are refused with 429, and counted; unauthenticated ones do not use it up.
func TestRate(t *testing.T) {
	b := open(func(h *receive.Handler) { h.Rate = 0.001 })
	handler := b.HTTP()
	post := func(body string) *httptest.ResponseRecorder {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/plain/Deals", strings.NewReader(body)))
		return response
	}
	for range 5 {
		if response := post("forged"); response.Code != 401 {
			t.Fatalf("a stranger was answered %d", response.Code)
		}
	}
	if response := post("ok"); response.Code != 200 {
		t.Fatalf("the first was answered %d", response.Code)
	}
	response := post("ok")
	if response.Code != 429 || response.Header().Get("Retry-After") == "" || !strings.Contains(response.Body.String(), `"status":429`) {
		t.Errorf("the second was answered %d %s", response.Code, response.Body)
	}
	want := "# HELP crm_bridge_limit_hits_total Requests refused, and unfinished requests or idle connections closed, because of a limit.\n# TYPE crm_bridge_limit_hits_total counter\ncrm_bridge_limit_hits_total{limit=\"rate\"} 1\n"
	if err := testutil.GatherAndCompare(b.registry, strings.NewReader(want), "crm_bridge_limit_hits_total"); err != nil {
		t.Error(err)
	}
}

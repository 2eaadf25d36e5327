package bridge

import (
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// adminAtOnce bounds how many requests of each part of the admin address are answered at once: pages, commands, /readyz and /metrics.
const adminAtOnce = 32

// bounded has handlers answer adminAtOnce requests at once in all, and 503 beyond.
func bounded() func(http.Handler) http.Handler {
	slots := make(chan struct{}, adminAtOnce)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			default:
				w.Header().Set("Retry-After", "5")
				writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "too many requests at once"})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// adminHandler answers at the admin address; commands are asked for only by the bridge's own user, and pages by those who have signed in.
// /healthz is always answered, so that a flood does not restart the bridge, and no other part takes the slots of /readyz and /metrics.
func adminHandler(ready, metrics, pages http.Handler, trust trust, commands ...map[string]http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]bool{"ok": true}) })
	mux.Handle("GET /readyz", bounded()(ready))
	mux.Handle("GET /metrics", bounded()(metrics))
	pages = bounded()(pages)
	mux.Handle("/{$}", pages)
	mux.Handle("/console/", pages)
	limited := bounded()
	for _, routes := range commands {
		for route, do := range routes {
			mux.HandleFunc(route, trust.only(limited(do).ServeHTTP))
		}
	}
	return mux
}

// metricsPage answers Prometheus; with exemplars in the format that has them, OpenMetrics, if Prometheus asks for it.
func metricsPage(metrics prometheus.Gatherer, exemplars bool) http.Handler {
	return promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: exemplars})
}

// AdminHeader is the header that shows the token of the data folder.
const AdminHeader = "X-Admin-Token"

// trust is the token of the data folder; empty: there is no folder, and requests from this machine are trusted.
type trust string

// only answers those alone that come from the bridge's own user: with the token, or where there is none, as a peer on this
// machine.
func (t trust) only(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !t.holds(r) {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "run the command as the bridge's own user, with its BRIDGE_DATA_DIR"})
			return
		}
		do(w, r)
	}
}

// holds reports whether a request comes from the bridge's own user.
func (t trust) holds(r *http.Request) bool {
	if t != "" {
		return ingest.MatchesAny(r.Header.Get(AdminHeader), []string{string(t)})
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	asked, _, failed := net.SplitHostPort(r.Host)
	if failed != nil {
		asked = r.Host
	}
	// A page in a browser on this machine can send requests here, but none with a header of its own choice.
	own := r.Header.Get(AdminHeader) != "" && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == ""
	return err == nil && own && isLoopback(host) && isLoopback(asked) && r.Header.Get("X-Forwarded-For") == ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = terminal.JSONEncoder(w).Encode(body)
}

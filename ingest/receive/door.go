package receive

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"golang.org/x/time/rate"
)

// client is the address that a request comes from: the peer's, or where the peer is a trusted proxy the last address in
// X-Forwarded-For that is not one itself. What a proxy that is not trusted forwards is ignored. An entry that cannot be read,
// or is empty, is an address in no network: the request does not then count as the proxy's own.
func (h *Handler) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	lines := r.Header.Values("X-Forwarded-For")
	if len(lines) == 0 {
		return address
	}
	forwarded := strings.Split(strings.Join(lines, ","), ",")
	for i := len(forwarded) - 1; i >= 0 && h.TrustedProxies.Contains(address); i-- {
		address = forwardedAddress(forwarded[i])
	}
	return address
}

// forwardedAddress reads an entry of X-Forwarded-For: an address, with or without a port, perhaps in quotes or brackets. What
// cannot be read, such as "unknown" or an address with a zone, is in no network.
func forwardedAddress(entry string) netip.Addr {
	entry = strings.TrimSpace(entry)
	if len(entry) > 1 && entry[0] == '"' && entry[len(entry)-1] == '"' {
		entry = entry[1 : len(entry)-1]
	}
	bare := entry
	if len(entry) > 1 && entry[0] == '[' && entry[len(entry)-1] == ']' {
		bare = entry[1 : len(entry)-1]
	}
	address, err := netip.ParseAddr(bare)
	if both, failed := netip.ParseAddrPort(entry); failed == nil {
		address, err = both.Addr(), nil
	}
	if err != nil || address.Zone() != "" {
		return netip.Addr{}
	}
	return address.Unmap()
}

// admit returns an error unless the request comes from where callbacks may come from.
func (h *Handler) admit(from netip.Addr) error {
	if len(h.Allow) == 0 || h.Allow.Contains(from) {
		return nil
	}
	h.Metrics.limitHits.WithLabelValues("network").Inc()
	return fmt.Errorf("%w: its address is in none of the allowed networks", ingest.ErrForged)
}

// limiters returns a rate limit for each source, or none.
func (h *Handler) limiters() map[string]*rate.Limiter {
	if h.Rate <= 0 {
		return nil
	}
	limits := make(map[string]*rate.Limiter, len(h.Sources))
	for _, source := range h.Sources {
		limits[source.Label()] = rate.NewLimiter(rate.Limit(h.Rate), max(1, int(math.Ceil(h.Rate))))
	}
	return limits
}

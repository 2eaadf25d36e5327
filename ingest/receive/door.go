package receive

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// client returns the address of a request's sender: the peer's, or if the peer is a trusted proxy the last address in X-Forwarded-For
// that is not one. The header of any other peer is ignored. An invalid or empty entry is an address in no network: the request does
// not count as the proxy's own.
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

// forwardedAddress parses an entry of X-Forwarded-For: an address, with or without a port, perhaps in quotes or brackets. It returns
// the zero Addr for anything else, such as "unknown" or an address with a zone.
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

// admit returns an error unless the address is in an allowed network.
func (h *Handler) admit(from netip.Addr) error {
	if len(h.Allow) == 0 || h.Allow.Contains(from) {
		return nil
	}
	h.Metrics.limitHits.WithLabelValues("network").Inc()
	return fmt.Errorf("%w: its address is in none of the allowed networks", ingest.ErrForged)
}

// limiters returns a rate limiter for each source; nil without a limit.
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

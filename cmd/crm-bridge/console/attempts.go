package console

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The bounds of failed attempts to sign in. A token cannot be guessed; they keep the attempts cheap, and the log short.
const (
	failuresOfClient  = 10 // in a row, then one in failureEvery
	failureEvery      = 6 * time.Second
	failuresOfAll     = 1000 // in a row, then failuresASecond
	failuresASecond   = 10
	maxFailingClients = 1024
)

// attempts counts failed attempts to sign in, by client, so that one cannot lock out another. The zero value has none.
type attempts struct {
	mu  sync.Mutex
	all *rate.Limiter
	by  map[string]*rate.Limiter // those of failing clients
}

// left reports whether a client may try.
func (a *attempts) left(client string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.by[client]
	return (a.all == nil || a.all.TokensAt(now) >= 1) && (one == nil || one.TokensAt(now) >= 1)
}

// fail notes that an attempt of a client has failed.
func (a *attempts) fail(client string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all, a.by = rate.NewLimiter(failuresASecond, failuresOfAll), map[string]*rate.Limiter{}
	}
	if a.by[client] == nil {
		a.makeRoom(now)
		a.by[client] = rate.NewLimiter(rate.Every(failureEvery), failuresOfClient)
	}
	a.all.AllowN(now, 1)
	a.by[client].AllowN(now, 1)
}

// makeRoom forgets the client that may try most often, where there would be too many.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.by) < maxFailingClients {
		return
	}
	first, most := "", -1.0
	for client, one := range a.by {
		if tokens := one.TokensAt(now); tokens > most {
			first, most = client, tokens
		}
	}
	delete(a.by, first)
}

// clientOf returns the address that a request comes from. Of IPv6 it is the network of 64 bits, within which a host chooses its address.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if address = address.Unmap(); address.Is4() {
		return address.String()
	}
	network, _ := address.WithZone("").Prefix(64) // an IPv6 address has one
	return network.String()
}

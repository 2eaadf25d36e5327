package publish

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// heldEvery is the interval for every heldConns connections at which the bytes that wait for all readers are summed up: that takes
	// about a microsecond for each connection.
	heldEvery = 25 * time.Millisecond
	heldConns = 50
)

// watch keeps the bytes that wait for slow readers within the bound, until the gate ends.
func (g *gate) watch() {
	var warned time.Time
	for {
		select {
		case <-g.ended:
			return
		case <-time.After(heldEvery * time.Duration(1+g.server.NumClients()/heldConns)):
		}
		cut, last := g.cutLargest()
		if cut > 0 && time.Since(warned) >= cutEvery {
			g.workers.Go(func() {
				g.log.Warn("a consumer's connection was cut: too much waits for consumers that do not read", "address", last.IP, "port", last.Port, "name", last.Name, "consumers", g.consumersOf(last.Cid), "waiting_bytes", last.Pending, "most_bytes", g.mostHeld)
			})
			warned = time.Now()
		}
	}
}

// cutLargest disconnects the readers with the most waiting bytes until the sum is within the bound. It returns how many it
// disconnected, and the last of them.
func (g *gate) cutLargest() (cut int, last *server.ConnInfo) {
	found, err := g.server.Connz(&server.ConnzOptions{Username: true, Sort: server.ByPending, Limit: g.server.NumClients() + ownConnections})
	if err != nil {
		return 0, nil
	}
	var total int64
	for _, conn := range found.Conns {
		total += int64(conn.Pending)
	}
	for _, conn := range found.Conns {
		if total <= g.mostHeld {
			break
		}
		if conn.IP != "" && conn.AuthorizedUser != owner && g.server.DisconnectClientByID(conn.Cid) == nil {
			cut, last = cut+1, conn
			total -= int64(conn.Pending)
		}
	}
	return cut, last
}

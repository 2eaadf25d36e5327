package embedded

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
)

const (
	// cutSubscriptions is how many subscriptions of a cut connection are compared with their inboxes.
	cutSubscriptions = 64
	// cutKnown is how long the server takes at most to list a connection that it cut.
	cutKnown = 2 * time.Second
)

// listening returns the consumers whose last inbox matches one of the subscriptions, sorted.
func (g *gate) listening(subscriptions []string) []string {
	l := &g.lastReplies
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, subject := range subscriptions[:min(len(subscriptions), cutSubscriptions)] {
		for consumer, reply := range l.values {
			if server.SubjectsCollide(subject, reply) && !slices.Contains(found, consumer) {
				found = append(found, consumer)
			}
		}
	}
	slices.Sort(found)
	return found
}

var connectionID = regexp.MustCompile(` - cid:([0-9]+)`)

// nameCuts logs each queued connection with the consumers that it read from, until the gate ends.
func (g *gate) nameCuts(log *serverLog) {
	for {
		select {
		case <-g.ended:
			return
		case c := <-log.named:
			var consumers string
			if of := connectionID.FindStringSubmatch(c.text); of != nil {
				cid, _ := strconv.ParseUint(of[1], 10, 64)
				consumers = g.consumersOf(cid)
			}
			c.warnOfCut(log, consumers)
		}
	}
}

// consumersOf returns the names of the consumers that a connection reads, or read from before it was cut; empty if unknown.
func (g *gate) consumersOf(cid uint64) string {
	for begun := time.Now(); time.Since(begun) < cutKnown; {
		found, err := g.server.Connz(&server.ConnzOptions{CID: cid, State: server.ConnAll, Subscriptions: true})
		if err == nil && len(found.Conns) > 0 && len(found.Conns[0].Subs) > 0 {
			return strings.Join(g.listening(found.Conns[0].Subs), ", ")
		}
		select {
		case <-g.ended:
			return ""
		case <-time.After(heldEvery):
		}
	}
	return ""
}

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
		if conn.IP != "" && conn.AuthorizedUser != publish.Owner && g.server.DisconnectClientByID(conn.Cid) == nil {
			cut, last = cut+1, conn
			total -= int64(conn.Pending)
		}
	}
	return cut, last
}

package publish

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// latestMost is how many consumers' last requests are known.
	latestMost = 4096
	// cutSubscriptions is how many subscriptions of a connection that was cut are compared with these.
	cutSubscriptions = 64
	// cutKnown is how long the server takes at most to list a connection that it cut.
	cutKnown = 2 * time.Second
)

// latest holds where each consumer's last pull request is answered to. Of a connection that was cut, it tells which consumers it
// read from.
type latest struct {
	mu      sync.Mutex
	replies map[string]string // by consumer
}

func (l *latest) note(consumer, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.replies) >= latestMost || l.replies == nil {
		l.replies = map[string]string{}
	}
	l.replies[consumer] = reply
}

// listening returns the consumers whose last request is answered to one of the subscriptions, sorted.
func (l *latest) listening(subscriptions []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, subject := range subscriptions[:min(len(subscriptions), cutSubscriptions)] {
		for consumer, reply := range l.replies {
			if server.SubjectsCollide(subject, reply) && !slices.Contains(found, consumer) {
				found = append(found, consumer)
			}
		}
	}
	slices.Sort(found)
	return found
}

// cutConn is a connection that the server cut.
type cutConn struct {
	text string // as the server names it, with its address and its name
	cut  int    // connections that were cut since the last warning, it included
}

// warnOfCut warns of a connection that was cut because it did not read what it was sent.
func (c cutConn) warnOfCut(l *serverLog, consumers string) {
	l.log.Warn("a consumer's connection was cut: it did not read what it had asked for", "connection", c.text, "consumers", consumers, "cut", c.cut)
}

var connectionID = regexp.MustCompile(` - cid:([0-9]+)`)

// nameCuts warns of each connection that is queued, with the consumers that it read from, until the gate ends.
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

// consumersOf returns the names of the consumers that a connection reads from, or read from before it was cut; empty where they
// are not known.
func (g *gate) consumersOf(cid uint64) string {
	for begun := time.Now(); time.Since(begun) < cutKnown; {
		found, err := g.server.Connz(&server.ConnzOptions{CID: cid, State: server.ConnAll, Subscriptions: true})
		if err == nil && len(found.Conns) > 0 && len(found.Conns[0].Subs) > 0 {
			return strings.Join(g.latest.listening(found.Conns[0].Subs), ", ")
		}
		select {
		case <-g.ended:
			return ""
		case <-time.After(heldEvery):
		}
	}
	return ""
}

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
	// lastRepliesMost is how many consumers are remembered.
	lastRepliesMost = 4096
	// cutSubscriptions is how many subscriptions of a cut connection are compared with their inboxes.
	cutSubscriptions = 64
	// cutKnown is how long the server takes at most to list a connection that it cut.
	cutKnown = 2 * time.Second
)

// lastReplies holds the inbox of each consumer's last pull request. It shows which consumers a cut connection read from.
type lastReplies struct {
	mu      sync.Mutex
	inboxes map[string]string // by consumer
}

func (l *lastReplies) note(consumer, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.inboxes) >= lastRepliesMost || l.inboxes == nil {
		l.inboxes = map[string]string{}
	}
	l.inboxes[consumer] = reply
}

// listening returns the consumers whose last inbox matches one of the subscriptions, sorted.
func (l *lastReplies) listening(subscriptions []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, subject := range subscriptions[:min(len(subscriptions), cutSubscriptions)] {
		for consumer, reply := range l.inboxes {
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
	cut  int    // connections cut since the last warning, including this one
}

// warnOfCut logs that a connection was cut because it did not read what it was sent.
func (c cutConn) warnOfCut(l *serverLog, consumers string) {
	l.log.Warn("a consumer's connection was cut: it did not read what it had asked for", "connection", c.text, "consumers", consumers, "cut", c.cut)
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
			return strings.Join(g.lastReplies.listening(found.Conns[0].Subs), ", ")
		}
		select {
		case <-g.ended:
			return ""
		case <-time.After(heldEvery):
		}
	}
	return ""
}

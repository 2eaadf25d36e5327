package publish

import (
	"net"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// ownConnections is how many connections beside those of readers the server takes.
	ownConnections = 16
	// readerSubscriptions is how many subscriptions a connection may have. Each costs half a kilobyte.
	readerSubscriptions = 1024
)

// inProcess opens connections within the process, for the bridge itself.
type inProcess struct {
	server *server.Server
	most   int // connections that the server takes; 0: no limit of ours
}

func (s *Server) inProcess() inProcess { return inProcess{s.server, s.config.maxConnections()} }

// maxConnections is how many connections the server takes; 0: no limit of ours.
func (c ServerConfig) maxConnections() int {
	if c.Listen == "" || c.MaxReaders == 0 {
		return 0
	}
	return c.MaxReaders + ownConnections
}

// InProcessConn implements nats.InProcessConnProvider. Where readers have taken all the connections, the newest of theirs
// make room.
func (p inProcess) InProcessConn() (net.Conn, error) {
	if over := p.server.NumClients() - p.most + ownConnections/4; p.most > 0 && over > 0 {
		for _, cid := range p.newest(over) {
			_ = p.server.DisconnectClientByID(cid) // it may have gone
		}
	}
	return p.server.InProcessConn()
}

// newest returns the newest n connections that are neither this process's nor its commands'.
func (p inProcess) newest(n int) []uint64 {
	found, err := p.server.Connz(&server.ConnzOptions{Username: true, Limit: 2 * p.most})
	if err != nil {
		return nil
	}
	var cids []uint64
	for _, conn := range found.Conns {
		if conn.IP != "" && conn.AuthorizedUser != owner {
			cids = append(cids, conn.Cid)
		}
	}
	slices.Sort(cids)
	return cids[max(0, len(cids)-n):]
}

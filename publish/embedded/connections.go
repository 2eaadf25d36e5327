package embedded

import (
	"net"
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
)

const (
	// ownConnections is how many connections the server accepts beside those of readers.
	ownConnections = 16
	// readerSubscriptions is how many subscriptions a connection may have. Each costs half a kilobyte.
	readerSubscriptions = 1024
)

// inProcess opens connections within the process, for the bridge itself.
type inProcess struct {
	server *server.Server
	most   int // connections that the server accepts; 0: no limit of ours
}

// InProcessConn implements nats.InProcessConnProvider, with a buffer for what is written. If readers have all connections, it closes the
// newest of theirs.
func (p inProcess) InProcessConn() (net.Conn, error) {
	if over := p.server.NumClients() - p.most + ownConnections/4; p.most > 0 && over > 0 {
		for _, cid := range p.newest(over) {
			_ = p.server.DisconnectClientByID(cid) // it may be closed already
		}
	}
	conn, err := p.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	return buffer(conn), nil
}

// newest returns the n newest connections that belong neither to this process nor to the bridge's commands.
func (p inProcess) newest(n int) []uint64 {
	found, err := p.server.Connz(&server.ConnzOptions{Username: true, Limit: 2 * p.most})
	if err != nil {
		return nil
	}
	var cids []uint64
	for _, conn := range found.Conns {
		if conn.IP != "" && conn.AuthorizedUser != publish.Owner {
			cids = append(cids, conn.Cid)
		}
	}
	slices.Sort(cids)
	return cids[max(0, len(cids)-n):]
}

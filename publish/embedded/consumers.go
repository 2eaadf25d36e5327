package embedded

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
)

// The subjects of JetStream's requests and acknowledgements.
const (
	apiPrefix = "$JS.API."
	ackPrefix = "$JS.ACK."
)

// gateUser is the user of the gate in the consumers' account.
const gateUser = "crm-bridge-gate"

// anyone is the user of a connection without credentials, and consumers the account of all users but the bridge itself.
const (
	anyone    = "consumer"
	consumers = "CONSUMERS"
)

const (
	// roomLeast and roomMost bound how many bytes may wait for a connection beside its largest message. 32 messages of a megabyte fit into
	// roomMost, and what the server can read from memory in a slice.
	roomLeast, roomMost = 8 << 20, 32 << 20
	// calmBytes is how many bytes may still wait for a connection when it gets more, and the bound of a bounded request.
	calmBytes = 2 << 20
)

// roomBeside is how many bytes may wait for a connection beside its largest message; beyond it the server closes the connection. It is a
// quarter of what may wait for all, so that a few stopped readers do not use up the memory of a small machine.
func (c Config) roomBeside() int64 {
	if c.MaxUnread == 0 {
		return roomMost
	}
	return max(roomLeast, min(c.MaxUnread/4, roomMost))
}

// inboxes are the only subjects that consumers may subscribe to, and that replies to them may go to.
const inboxes = "_INBOX.>"

// consumer is the user that consumers connect as, named or not. What it may publish reaches the gate and nothing else.
func (c Config) consumer(account *server.Account) *server.User {
	user := &server.User{Username: c.User, Password: c.Pass, Account: account, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{apiPrefix + ">", ackPrefix + ">"}},
		Subscribe: &server.SubjectPermission{Allow: []string{inboxes}},
	}}
	if c.User == "" {
		user.Username, user.Password = anyone, c.OwnerPass+"-"+anyone
	}
	return user
}

// The subjects in the consumers' account that lead into the streams' account. Only the gate may publish to them: each begins with the
// gate's key, which stays private.
const (
	wayNext   = "next"   // pull requests: the messages go straight from the stream to the reader
	wayGet    = "get"    // single messages
	wayDirect = "direct" // single messages and batches, by direct get
	wayAck    = "ack"    // acknowledgements that ask for a confirmation
)

// openWays lets the gate forward requests that are answered with messages of streams. Permissions alone do not keep a consumer from
// writing: it may choose any reply subject, and in the streams' own account the server would store that reply as an event.
func (c Config) openWays(s *server.Server, key string) error {
	streams := s.GlobalAccount()
	account, err := s.LookupAccount(consumers)
	if err != nil {
		return err
	}
	ways := map[string]string{
		key + "." + wayAck + ".>": ackPrefix + ">",
		// It leads nowhere. Without it JetStream itself answers every account, bypassing the gate.
		apiPrefix + "INFO": key + ".nowhere",
	}
	for _, stream := range c.Readable {
		ways[fmt.Sprintf("%s.%s.%s.*", key, wayNext, stream)] = fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.*", stream)
		ways[fmt.Sprintf("%s.%s.%s", key, wayGet, stream)] = "$JS.API.STREAM.MSG.GET." + stream
		ways[fmt.Sprintf("%s.%s.%s", key, wayDirect, stream)] = "$JS.API.DIRECT.GET." + stream
		ways[fmt.Sprintf("%s.%s.%s.>", key, wayDirect, stream)] = fmt.Sprintf("$JS.API.DIRECT.GET.%s.>", stream)
	}
	for from, to := range ways {
		if err := streams.AddServiceExportWithResponse(to, server.Streamed, nil); err != nil {
			return fmt.Errorf("open %s to consumers: %w", to, err)
		}
		if err := account.AddServiceImport(streams, from, to); err != nil {
			return fmt.Errorf("open %s to consumers: %w", to, err)
		}
	}
	return nil
}

// ownedByBridge reports whether a consumer's name is reserved for the bridge.
func ownedByBridge(consumer string) bool { return strings.HasPrefix(consumer, publish.OwnConsumers) }

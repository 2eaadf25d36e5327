package embedded

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
)

// gate filters what readers send to JetStream. It receives every JetStream request and acknowledgement of the consumers' account,
// forwards those that reading needs, decoded as the server decodes them and encoded again from the known members, and rejects the
// rest with an error.
type gate struct {
	server   *server.Server
	readable map[string]bool
	key      string // first token of the subjects that lead to the streams
	log      *slog.Logger

	owner   *publish.Conn // in the streams' account
	readers *nats.Conn    // in the consumers' account
	status  *statusConn   // in the consumers' account

	most        int          // consumers that readers may have on each stream
	mostHeld    int64        // bytes that may wait for all readers; 0: no bound
	calls       chan apiCall // waiting for a worker
	pulls       chan pull    // likewise
	workers     sync.WaitGroup
	creating    sync.Mutex // one at a time, so that the count holds
	scheduler   scheduler
	seen        recents[time.Time]  // when a consumer was last seen
	lastReplies recents[string]     // inbox of a consumer's last pull request, which shows what a cut connection read
	sizes       recents[streamSize] // of streams
	ended       chan struct{}
	closing     sync.Once
}

const (
	// gateBody is the largest body of a request, in bytes.
	gateBody = 16 << 10
	// gateWorkers is how many requests to JetStream are in flight at once, and how many pull requests are handled at once.
	gateWorkers = 16
	// gateQueue is how many of each may wait; more are rejected.
	gateQueue = 1024
	// gateTimeout is when a request that JetStream does not answer is answered with an error.
	gateTimeout = 5 * time.Second
)

// replyable reports whether a reader may subscribe to a reply subject. A request with any other is not answered: the answer could
// itself be a request.
func replyable(reply string) bool {
	return strings.HasPrefix(reply, "_INBOX.") && !strings.ContainsAny(reply, "*> \t\r\n") && !strings.Contains(reply, "..") && !strings.HasSuffix(reply, ".")
}

// queue hands a call to a worker.
func (g *gate) queue(call apiCall) {
	select {
	case g.calls <- call:
	default:
		g.fail(call, server.ApiError{Code: 503, ErrCode: 10023, Description: "too many requests at once"})
	}
}

// refuse answers that a call is not permitted.
func (g *gate) refuse(call apiCall, why string) {
	g.fail(call, server.ApiError{Code: 403, ErrCode: 10003, Description: "not permitted: " + why})
}

// fail answers a call with an error in JetStream's format.
func (g *gate) fail(call apiCall, failed server.ApiError) {
	answer, err := json.Marshal(server.ApiResponse{Type: call.response(), Error: &failed})
	if err == nil {
		_ = g.readers.Publish(call.msg.Reply, answer)
	}
}

// streamSize is whether a stream is small. A fetch from a small one gets as many messages as it requests at once, even on a busy machine.
type streamSize struct {
	small bool
	until time.Time // it is remembered
}

// apiCall is a request to JetStream's API.
type apiCall struct {
	msg      *nats.Msg
	kind     *callKind // nil: not permitted to readers
	words    string    // the operation, such as STREAM.INFO
	stream   string
	consumer string
	rest     string // tokens after the stream, of a direct get
}

// callKind is a kind of request that reading needs.
type callKind struct {
	least, most int // tokens after the words; a negative most: no limit
	answer      string
	changes     bool // changes a consumer, which must not be the bridge's
	limited     bool // makes a consumer
	handle      func(*gate, apiCall)
	encode      func(*gate, apiCall) ([]byte, *server.ApiError)
}

// refusedTypes are the types of answers to rejected requests; all others have the system's type.
var refusedTypes = map[string]string{
	"STREAM.CREATE": server.JSApiStreamCreateResponseType, "STREAM.UPDATE": server.JSApiStreamUpdateResponseType,
	"STREAM.DELETE": server.JSApiStreamDeleteResponseType, "STREAM.PURGE": server.JSApiStreamPurgeResponseType,
	"STREAM.MSG": server.JSApiMsgDeleteResponseType, "STREAM.SNAPSHOT": server.JSApiStreamSnapshotResponseType,
	"STREAM.RESTORE": server.JSApiStreamRestoreResponseType, "ACCOUNT.PURGE": server.JSApiAccountPurgeResponseType,
}

// response is the type of the answer to a call.
func (c apiCall) response() string {
	if c.kind != nil {
		return c.kind.answer
	}
	if name := refusedTypes[c.words]; name != "" {
		return name
	}
	return server.JSApiSystemResponseType
}

func encoded(request any) ([]byte, *server.ApiError) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, server.NewJSInvalidJSONError(err)
	}
	return body, nil
}

package publish

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Owner is the user of the bridge itself and of its own commands on an embedded server.
const Owner = "crm-bridge"

// ownerInbox is the prefix of the bridge's inboxes, to which consumers cannot publish: they could forge an acknowledgement.
const ownerInbox = "_crm_bridge"

// MaxPayload is the size of the largest message that an embedded server can accept, in bytes: NATS' own bound.
const MaxPayload = 64 << 20

// ackTimeout is when the client drops an unacknowledged message.
const ackTimeout = time.Minute

// Conn is a connection to a NATS server with JetStream.
type Conn struct {
	nats *nats.Conn
	js   jetstream.JetStream
	url  string
	hint func(error) error      // what to set if a connection fails over TLS; nil, or a nil result: nothing
	down *atomic.Pointer[error] // why the last attempt to connect failed

	readers sync.WaitGroup // of acknowledgements, until the connection is closed
}

// Open connects with the given options.
func Open(url string, options []nats.Option) (*Conn, error) {
	down := &atomic.Pointer[error]{}
	nc, err := nats.Connect(url, append(options, nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { down.Store(&err) }))...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(ackTimeout))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &Conn{nats: nc, js: js, url: url, down: down}, nil
}

// Up returns nil while the connection is up, else why it is not, in plain words.
func (c *Conn) Up() error {
	if c.nats.IsConnected() {
		return nil
	}
	reason := c.nats.LastError()
	if last := c.down.Load(); reason == nil && last != nil {
		reason = *last
	}
	if reason == nil {
		return errNotConnected
	}
	if c.hint != nil {
		if hint := c.hint(reason); hint != nil {
			return fmt.Errorf("%w: %w", errNotConnected, hint)
		}
	}
	return fmt.Errorf("%w: %w", errNotConnected, Plain(reason, c.url))
}

// NATS returns the connection as the client library has it.
func (c *Conn) NATS() *nats.Conn { return c.nats }

// JetStream returns JetStream on the connection.
func (c *Conn) JetStream() jetstream.JetStream { return c.js }

// stream looks a stream up.
func (c *Conn) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := c.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	return stream, nil
}

// Close closes the connection; what is not acknowledged by then is not safe.
func (c *Conn) Close() {
	c.nats.Close()
	c.readers.Wait()
}

// pingEvery is the interval of pings; two without an answer end a dead connection. NATS' default takes four minutes.
const pingEvery = 10 * time.Second

// ConnOptions are the options of every connection of the bridge: it reconnects without limit, and buffers nothing while it is down, so that
// no event appears after its callback was answered with an error.
func ConnOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("crm-bridge"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort(), // a password may be wrong for a while, when it is rotated
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("NATS connection restored") }),
		nats.ErrorHandler(warnOf(log)),
	}
}

// warnEvery is how often an error of each attempt to connect, such as a wrong password, is logged.
const warnEvery = time.Minute

// warnOf logs errors of a connection, a repeated one once every warnEvery. The client calls it from one goroutine.
func warnOf(log *slog.Logger) nats.ErrHandler {
	var last string
	var at time.Time
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if text := err.Error(); text != last || time.Since(at) > warnEvery {
			last, at = text, time.Now()
			log.Warn("NATS connection", "error", text)
		}
	}
}

// AsOwner connects as the user with all permissions on an embedded server, with inboxes that consumers cannot see.
func AsOwner(password string) nats.Option {
	return func(o *nats.Options) error {
		o.User, o.Password, o.InboxPrefix = Owner, password, ownerInbox
		return nil
	}
}

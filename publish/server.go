package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// ServerConfig describes the embedded NATS server.
type ServerConfig struct {
	Dir        string      // JetStream's folder; no other process may use it
	Listen     string      // host:port for consumers; empty: the server is reachable only in this process
	TLS        *tls.Config // for consumers; nil: plain
	OwnerPass  string      // of the bridge itself and its own commands, which have all permissions
	User, Pass string      // of consumers; empty: anyone who reaches Listen is a consumer
	Readable   []string    // streams that consumers may read
	Sync       Sync
	MaxPayload int32 // bytes
	MaxReaders int   // connections that consumers may have at once; 0: the server's default
	MaxUnread  int64 // bytes that may wait for all consumers together; 0: no bound
	Log        *slog.Logger
}

// MaxPayload is the size of the largest message that an embedded server can accept: NATS' own bound.
const MaxPayload = 64 << 20

// owner is the user of the bridge itself and of its own commands.
const owner = "crm-bridge"

// ownerInbox is the prefix of the bridge's inboxes, to which consumers cannot publish: they could forge an acknowledgement.
const ownerInbox = "_crm_bridge"

// startTimeout is long: recovery of a full stream after a power cut reads every block of it.
const startTimeout = 2 * time.Minute

// Server is a NATS server with JetStream inside this process.
type Server struct {
	config ServerConfig
	server *server.Server
	gate   *gate // nil: the server is reachable only in this process
	broken chan string
	log    *serverLog
}

// Broken returns a channel that receives the error after which the store accepts nothing more until the server is opened again, such as
// a full disk, even if the cause has gone.
func (s *Server) Broken() <-chan string { return s.broken }

// OpenServer starts the embedded server and returns when its streams are recovered and it accepts connections.
func OpenServer(ctx context.Context, config ServerConfig) (*Server, error) {
	opts := &server.Options{
		ServerName: "crm-bridge", NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: config.Dir, DisableJetStreamBanner: true,
		// Each stream has its own bound; a common one would reject a stream because of what others reserve.
		JetStreamMaxStore: math.MaxInt64, JetStreamMaxMemory: 64 << 20,
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: -1}, // the gate bounds those of readers
		SyncAlways:      config.Sync.Server, SyncInterval: config.Sync.interval(),
		MaxPayload: config.MaxPayload, MaxPending: 64<<20 + int64(config.MaxPayload),
		DontListen: true, // until the streams are recovered
		Users:      []*server.User{{Username: owner, Password: config.OwnerPass}},
	}
	key, password := newKey(), newKey()
	if config.Listen != "" {
		if err := config.listen(ctx, opts, password); err != nil {
			return nil, err
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	if config.Listen != "" {
		if err := config.openWays(s, key); err != nil {
			return nil, err
		}
	}
	logger := &serverLog{log: config.Log, fatal: make(chan string, 8), broken: make(chan string, 1)}
	if config.Listen != "" {
		logger.named = make(chan cutConn, 1)
	}
	s.SetLoggerV2(logger, false, false, false)
	go s.Start()
	opened := &Server{config: config, server: s, broken: logger.broken, log: logger}
	if err = logger.waitFor(s); err == nil {
		err = opened.admit(ctx, key, password)
	}
	if err == nil {
		err = logger.failed()
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	return opened, nil
}

// admit accepts consumers' connections, once the streams are recovered, push consumers are removed and the gate is connected.
func (s *Server) admit(ctx context.Context, key, password string) error {
	conn, err := s.Connect()
	if err != nil {
		return err
	}
	err = s.removePushConsumers(ctx, conn)
	conn.Close()
	if err != nil || s.config.Listen == "" {
		return err
	}
	s.gate = newGate(s, key)
	if err := s.gate.connect(s, password); err != nil {
		return err
	}
	s.gate.workers.Go(func() { s.gate.nameCuts(s.log) })
	s.server.AcceptLoop(make(chan struct{}))
	return nil
}

// listen configures the address and the users of consumers. It returns an error if the address is in use or not protected.
func (c ServerConfig) listen(ctx context.Context, opts *server.Options, gatePassword string) error {
	host, port, err := splitHostPort(c.Listen)
	if err != nil {
		return err
	}
	if c.User == owner || c.User == gateUser {
		return fmt.Errorf("the user %s is reserved for the bridge: choose another name", c.User)
	}
	if c.User == "" && !isLoopback(host) {
		return fmt.Errorf("%s can be reached from other machines: that needs a user and a password", c.Listen)
	}
	if probe, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen); err != nil {
		return err
	} else if err = probe.Close(); err != nil {
		return err
	}
	account := server.NewAccount(consumers)
	opts.Host, opts.Port = host, port
	opts.TLSConfig, opts.TLS = c.TLS, c.TLS != nil
	opts.Accounts = []*server.Account{account}
	opts.Users = append(opts.Users, c.consumer(account), &server.User{Username: gateUser, Password: gatePassword, Account: account})
	opts.MaxPending = roomBeside + int64(c.MaxPayload) // bytes that wait for a connection
	opts.MaxSubs, opts.MaxConn = readerSubscriptions, c.maxConnections()
	if c.User == "" {
		opts.NoAuthUser = anyone
	}
	return nil
}

// Connect opens the bridge's own connection to the embedded server.
func (s *Server) Connect() (*Conn, error) {
	return open("", append(connOptions(s.config.Log), nats.InProcessServer(s.inProcess()), asOwner(s.config.OwnerPass)))
}

// CheckLayout verifies with a temporary stream that the store keeps messages as a Committer expects.
func (s *Server) CheckLayout(ctx context.Context, conn *Conn, probe string) (err error) {
	subject, text := "_crm_bridge_probe."+probe, "probe "+nats.NewInbox()
	stream, err := conn.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: probe, Subjects: []string{subject}, Storage: jetstream.FileStorage, MaxMsgs: 1})
	if err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	defer func() { err = errors.Join(err, conn.js.DeleteStream(ctx, probe)) }()
	ack, err := conn.js.Publish(ctx, subject, []byte(text), jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	if info.Config.Compression != jetstream.NoCompression {
		return errors.New("the store compresses messages")
	}
	return disk.CheckLayout(s.config.Dir, probe, []byte(text), ack.Sequence)
}

// ClientURL is where consumers connect to.
func (s *Server) ClientURL() string { return s.server.ClientURL() }

// Close stops the server and returns when its files are closed.
func (s *Server) Close() {
	if s.gate != nil {
		s.gate.close()
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// Sync says when the embedded server's files are synced to disk.
type Sync struct {
	Server bool          // by the server, before each of its acknowledgements
	Every  time.Duration // at this interval, and answers do not wait for it; 0 with Server false: by a Committer, before each answer
}

// never is longer than any process runs. The server's periodic sync also rewrites blocks in which much was deleted, and a power cut
// between the rewriting and its sync could lose events that a Committer synced long ago.
const never = 10 * 365 * 24 * time.Hour

func (s Sync) interval() time.Duration {
	if s.Every == 0 && !s.Server {
		return never
	}
	return s.Every
}

// Decode reads "commit", "server" or a duration from an environment variable.
func (s *Sync) Decode(value string) error {
	*s = Sync{}
	switch strings.ToLower(value) {
	case "commit":
		return nil
	case "server":
		s.Server = true
		return nil
	}
	every, err := time.ParseDuration(value)
	if err != nil || every < time.Millisecond {
		return errors.New(`must be "commit", "server" or a duration such as 1s`)
	}
	s.Every = every
	return nil
}

func splitHostPort(listen string) (string, int, error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not an address of the form host:port", listen)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

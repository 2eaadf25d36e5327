// Package embedded runs a NATS server with JetStream inside this process: for the bridge itself, which may do everything, and for
// consumers, whose requests pass a gate that lets them read alone.
// Nothing here knows of events.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Server is a NATS server with JetStream inside this process.
type Server struct {
	config Config
	server *server.Server
	gate   *gate // nil: the server is reachable only in this process
	broken chan string
	log    *serverLog
}

// Broken returns a channel that receives the error after which the store accepts nothing more until the server is opened again, such as
// a full disk, even if the cause has gone.
func (s *Server) Broken() <-chan string { return s.broken }

// Open starts the embedded server and returns when its streams are recovered and it accepts connections.
func Open(ctx context.Context, config Config) (*Server, error) {
	if err := disk.FinishScrub(config.Dir); err != nil {
		return nil, fmt.Errorf("finish an erasure in the store: %w", err)
	}
	if written, err := disk.Reindex(config.Dir); err != nil {
		config.Log.Warn("the server reads whole streams, because their indexes cannot be written", "error", err)
	} else if len(written) > 0 {
		config.Log.Info("streams were indexed again, because the bridge was killed", "streams", written)
	}
	opts := &server.Options{
		ServerName: "crm-bridge", NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: config.Dir, DisableJetStreamBanner: true,
		// Each stream has its own bound; a common one would reject a stream because of what others reserve.
		JetStreamMaxStore: math.MaxInt64, JetStreamMaxMemory: 64 << 20,
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: -1}, // the gate bounds those of readers
		SyncAlways:      config.Sync.Server, SyncInterval: config.Sync.interval(),
		MaxPayload: config.MaxPayload, MaxPending: 64<<20 + int64(config.MaxPayload),
		DontListen: true, // until the streams are recovered
		Users:      []*server.User{{Username: publish.Owner, Password: config.OwnerPass}},
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
	err = removePushConsumers(ctx, conn, s.config.Log)
	conn.Close()
	if err != nil || s.config.Listen == "" {
		return err
	}
	s.gate = newGate(s.server, s.config, key)
	if s.gate.owner, err = s.Connect(); err != nil {
		return fmt.Errorf("the gate for consumers: %w", err)
	}
	if err := s.gate.connect(s.inProcess(), password); err != nil {
		return fmt.Errorf("the gate for consumers: %w", err)
	}
	s.gate.workers.Go(func() { s.gate.nameCuts(s.log) })
	s.server.AcceptLoop(make(chan struct{}))
	return nil
}

func (s *Server) inProcess() inProcess { return inProcess{s.server, s.config.maxConnections()} }

// Connect opens the bridge's own connection to the embedded server.
func (s *Server) Connect() (*publish.Conn, error) {
	return publish.Open("", append(publish.ConnOptions(s.config.Log), nats.InProcessServer(s.inProcess()), publish.AsOwner(s.config.OwnerPass)))
}

// CheckLayout verifies with a temporary stream that the store keeps messages as a Committer expects.
func (s *Server) CheckLayout(ctx context.Context, conn *publish.Conn, probe string) (err error) {
	subject, text := "_crm_bridge_probe."+probe, "probe "+nats.NewInbox()
	stream, err := conn.JetStream().CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: probe, Subjects: []string{subject}, Storage: jetstream.FileStorage, MaxMsgs: 1})
	if err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	defer func() { err = errors.Join(err, conn.JetStream().DeleteStream(ctx, probe)) }()
	ack, err := conn.JetStream().Publish(ctx, subject, []byte(text), jetstream.WithRetryAttempts(0))
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

package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/test/bench/process"
	"github.com/crm-bridge/crm-bridge/test/ports"
)

const (
	channel      = "1000000068001"
	token        = "a-token-of-this-benchmark-alone"
	clientID     = "1000.CLIENT"
	clientSecret = "the-secret-of-the-client"
	refreshToken = "1000.the-refresh-token"
	stream       = "CRM_RECORDS"
)

// stage is a bridge in front of a CRM, and a connection to its NATS server.
type stage struct {
	*process.Process
	crm *crm
	env []string // with which a command reaches the bridge
	js  jetstream.JetStream

	conn *nats.Conn
	api  *httptest.Server
}

// open starts a CRM and a bridge with a data folder of its own. The caller closes it.
func (m *measuring) open(ctx context.Context) (*stage, error) {
	folder, err := os.MkdirTemp(m.dir, "data-")
	if err != nil {
		return nil, err
	}
	api, err := newCRM(m.delay, m.snapshot)
	if err != nil {
		return nil, err
	}
	listen, err := ports.Address()
	if err != nil {
		return nil, err
	}
	s := &stage{crm: api, api: httptest.NewServer(api)}
	s.env = []string{
		"BRIDGE_DATA_DIR=" + folder, "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_LISTEN=" + listen,
		"BRIDGE_ZOHO_TOKENS=" + channel + ":" + token, "BRIDGE_ZOHO_RECORDS=Deals," + listed, "BRIDGE_ZOHO_TOKEN_SECRET=the-token-secret-of-this-benchmark",
		"BRIDGE_ZOHO_CLIENT_ID=" + clientID, "BRIDGE_ZOHO_CLIENT_SECRET=" + clientSecret, "BRIDGE_ZOHO_REFRESH_TOKEN=" + refreshToken,
		"BRIDGE_ZOHO_ACCOUNTS_URL=" + s.api.URL, "BRIDGE_ZOHO_API_URL=" + s.api.URL, "BRIDGE_STREAM_MAX_BYTES=8GiB", "BRIDGE_RECORDS_MAX_BYTES=8GiB",
	}
	if s.Process, err = process.Start(ctx, m.program, nil, s.env); err == nil {
		err = s.connect(filepath.Join(folder, "nats-password"), listen)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// connect connects to the bridge's own NATS server as its owner.
func (s *stage) connect(passwordFile, address string) error {
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	s.conn, err = nats.Connect("nats://"+address, nats.UserInfo("crm-bridge", strings.TrimSpace(string(password))), nats.CustomInboxPrefix("_crm_bridge"))
	if err != nil {
		return err
	}
	s.js, err = jetstream.New(s.conn)
	return err
}

func (s *stage) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.Process != nil {
		process.Stop(s.Process)
	}
	s.api.Close()
}

const (
	lookEvery = 50 * time.Millisecond
	// settleTimeout bounds how long states may take after the last of their events.
	settleTimeout = 5 * time.Minute
)

var errLate = errors.New("states are missing after " + settleTimeout.String())

// states returns how many states the stream holds.
func (s *stage) states(ctx context.Context) (uint64, error) {
	held, err := s.js.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	return held.CachedInfo().State.Msgs, nil
}

// await returns when the stream holds so many states.
func (s *stage) await(ctx context.Context, want int) error {
	for end := time.Now().Add(settleTimeout); time.Now().Before(end); time.Sleep(lookEvery) {
		if held, err := s.states(ctx); err != nil || held >= uint64(want) {
			return err
		}
	}
	return errLate
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/crm-bridge/crm-bridge/test/bench/floor"
	"github.com/crm-bridge/crm-bridge/test/bench/process"
	"github.com/crm-bridge/crm-bridge/test/ports"
)

// peerConfig makes Bento put the body of each request into the stream as it is, and answer when the stream has acknowledged it.
const peerConfig = `http: {enabled: false}
logger: {level: WARN}
input:
  http_server:
    address: ADDRESS
    path: PATH
    allowed_verbs: [POST]
    timeout: 20s
output:
  nats_jetstream:
    urls: [SERVER]
    subject: SUBJECT
    max_in_flight: 1024
`

// startPeer starts Bento in front of a NATS server.
func startPeer(ctx context.Context, program, folder, path, server string) (*process.Process, error) {
	address, err := ports.Address()
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("ADDRESS", address, "PATH", path, "SERVER", server, "SUBJECT", floor.Subject).Replace(peerConfig)
	file := filepath.Join(folder, "peer.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("the peer's configuration: %w", err)
	}
	return process.StartAt(ctx, program, []string{"-c", file}, address)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

const (
	channel = "1000000068001"
	token   = "a-token-of-this-benchmark-alone"
)

// bridgeProcess is a bridge in a process of its own.
type bridgeProcess struct {
	cmd       *exec.Cmd
	callbacks string // address
}

// start starts the bridge with a data folder, in front of a remote.
func (m *measuring) start(ctx context.Context, folder, url string) (*bridgeProcess, error) {
	cmd := exec.CommandContext(ctx, m.program)
	cmd.Env = append(os.Environ(), "BRIDGE_DATA_DIR="+folder, "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_URL="+url,
		fmt.Sprintf("BRIDGE_JOURNAL_MAX_BYTES=%d", journalBytes), "BRIDGE_ZOHO_TOKENS="+channel+":"+token)
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &bridgeProcess{cmd: cmd}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Error, Callbacks string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "serving" {
			b.callbacks = strings.TrimPrefix(line.Callbacks, "http://")
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return b, nil
		}
	}
	b.stop()
	return nil, fmt.Errorf("the bridge does not start: %w", lines.Err())
}

func (b *bridgeProcess) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

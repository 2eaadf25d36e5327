package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/test/ports"
)

// bridge is a running crm-bridge on a data folder.
type bridge struct {
	cmd              *exec.Cmd
	data             string
	callbacks, admin string // host:port
	nats             string
	log              bytes.Buffer
	exited           chan error    // what the process ended with, once
	took             time.Duration // from the start of the process to its first readiness
	atReady          usage
	token            string   // of the admin address
	kept             []string // ids of callbacks in quarantine
}

// What authenticates the callbacks that this program sends.
const (
	channel = "1000000068001"
	token   = "a-token-of-this-measurement-alone"
)

// startTimeout is when a start counts as failed.
const startTimeout = 10 * time.Minute

// start starts the bridge on a data folder, and returns when it is ready.
func (p plan) start(ctx context.Context, data string, env ...string) (*bridge, error) {
	b := &bridge{data: data}
	for _, address := range []*string{&b.callbacks, &b.admin, &b.nats} {
		var err error
		if *address, err = ports.Address(); err != nil {
			return nil, err
		}
	}
	b.cmd = exec.CommandContext(ctx, p.program)
	b.cmd.Env = append(append(os.Environ(),
		"BRIDGE_DATA_DIR="+data, "BRIDGE_LISTEN="+b.callbacks, "BRIDGE_ADMIN_LISTEN="+b.admin, "BRIDGE_NATS_LISTEN="+b.nats,
		"BRIDGE_ZOHO_TOKENS="+channel+":"+token, "BRIDGE_STREAM_MAX_BYTES=20GiB", "BRIDGE_LOG_LEVEL=warn"), env...)
	b.cmd.Stdout, b.cmd.Stderr = io.Discard, &b.log
	began := time.Now()
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	b.exited = make(chan error, 1)
	go func() { b.exited <- b.cmd.Wait() }()
	for time.Since(began) < startTimeout && ctx.Err() == nil {
		if b.ready(ctx) {
			b.took = time.Since(began)
			var err error
			if b.atReady, err = usageOf(b.cmd.Process.Pid); err != nil {
				return nil, errors.Join(err, b.kill())
			}
			return b, nil
		}
		select {
		case err := <-b.exited:
			return nil, fmt.Errorf("the bridge does not start: %w: %s", err, &b.log)
		case <-time.After(time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the bridge does not get ready: %w: %s", errors.Join(ctx.Err(), b.kill()), &b.log)
}

func (b *bridge) ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.admin+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.StatusCode == http.StatusOK && response.Body.Close() == nil
}

// stop ends the bridge in order.
func (b *bridge) stop() error {
	if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := <-b.exited; err != nil {
		return fmt.Errorf("the bridge ended with %w: %s", err, &b.log)
	}
	return nil
}

// kill ends the bridge as kill -9 does.
func (b *bridge) kill() error {
	err := b.cmd.Process.Kill()
	if <-b.exited == nil {
		err = errors.Join(err, errors.New("the bridge ended before it was killed"))
	}
	return err
}

// secret returns a secret of the data folder.
func (b *bridge) secret(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(b.data, name))
	return strings.TrimSpace(string(text)), err
}

// notification returns the body of a callback of Zoho about the n-th change of a deal.
func notification(n int) string {
	return fmt.Sprintf(`{"server_time":%d,"query_params":{},"module":"Deals","resource_uri":"https://www.zohoapis.com/crm/v2/Deals",`+
		`"ids":["5725767%012d"],"affected_fields":[{"5725767%012[2]d":["Mobile","City"]}],"operation":"update","channel_id":"%s","token":"%s"}`,
		time.Now().UnixMilli(), n, channel, token)
}

// post sends the n-th callback, and returns when it is answered with 200.
func (b *bridge) post(ctx context.Context, n int) error {
	_, err := b.send(ctx, notification(n), http.StatusOK)
	return err
}

// quarantine sends a callback that cannot be parsed, and remembers its id in quarantine.
func (b *bridge) quarantine(ctx context.Context) error {
	answer, err := b.send(ctx, `{"channel_id":"`+channel+`","token":"`+token+`","ids":7}`, http.StatusBadRequest)
	if err != nil {
		return err
	}
	var problem struct{ QuarantineID string }
	if err := json.Unmarshal(answer, &problem); err != nil {
		return err
	}
	b.kept = append(b.kept, problem.QuarantineID)
	return nil
}

// send sends a callback, and returns its answer.
func (b *bridge) send(ctx context.Context, body string, want int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.callbacks+"/zoho/notifications", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err == nil && response.StatusCode != want {
		err = fmt.Errorf("a callback was answered %s: %s", response.Status, answer)
	}
	return answer, err
}

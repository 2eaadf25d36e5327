//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const secret = "the-webhook-secret-of-this-test"

// bridge is a running crm-bridge.
type bridge struct {
	cmd             *exec.Cmd
	callbacks, nats string
}

// start runs the program on free ports and returns when it serves.
func start(ctx context.Context, program, data string, env []string) (*bridge, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append([]string{
		"BRIDGE_DATA_DIR=" + data, "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_LISTEN=127.0.0.1:0",
		"BRIDGE_ZOHO_WEBHOOK_SECRET=" + secret, "BRIDGE_LOG_LEVEL=info",
	}, env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(stderr)
	for {
		var line struct{ Msg, Callbacks, NATS string }
		if err := decoder.Decode(&line); err != nil {
			rest, _ := io.ReadAll(io.MultiReader(decoder.Buffered(), stderr))
			return nil, fmt.Errorf("the bridge does not start: %w: %s %s", errors.Join(err, cmd.Wait()), line.Msg, rest)
		}
		if line.Msg == "serving" {
			go func() { _, _ = io.Copy(io.Discard, io.MultiReader(decoder.Buffered(), stderr)) }()
			return &bridge{cmd, line.Callbacks, line.NATS}, nil
		}
	}
}

// held returns how often the stream holds each event id, and its first sequence.
func (b *bridge) held(ctx context.Context) (map[string]int, uint64, error) {
	conn, err := nats.Connect(b.nats)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, 0, err
	}
	stream, err := js.Stream(ctx, "CRM")
	if err != nil {
		return nil, 0, err
	}
	state := stream.CachedInfo().State
	ids := map[string]int{}
	if state.Msgs == 0 {
		return ids, state.FirstSeq, nil
	}
	consumer, err := js.OrderedConsumer(ctx, "CRM", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, 0, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, 0, err
	}
	defer messages.Stop()
	for range state.Msgs {
		msg, err := messages.Next(jetstream.NextMaxWait(20 * time.Second))
		if err != nil {
			return nil, 0, err
		}
		var e struct{ ID string }
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return nil, 0, err
		}
		ids[e.ID]++
	}
	return ids, state.FirstSeq, nil
}

// answer is a callback that was answered with 200.
type answer struct {
	id       string
	sequence uint64
}

// ledger keeps every answer.
type ledger struct {
	next atomic.Int64
	mu   sync.Mutex
	all  []answer
}

func (l *ledger) count() int { return len(l.snapshot()) }

func (l *ledger) snapshot() []answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[:len(l.all):len(l.all)]
}

func (l *ledger) forgetAfter(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = l.all[:n:n]
}

// send posts callbacks from several connections until ctx ends or the bridge does; done is closed when all have stopped.
func (l *ledger) send(ctx context.Context, url string, connections int) (done chan struct{}) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			for ctx.Err() == nil {
				a, err := post(ctx, client, url, l.next.Add(1))
				if err != nil {
					return
				}
				l.mu.Lock()
				l.all = append(l.all, a)
				l.mu.Unlock()
			}
		})
	}
	done = make(chan struct{})
	go func() {
		wait.Wait()
		close(done)
	}()
	return done
}

func post(ctx context.Context, client *http.Client, url string, n int64) (answer, error) {
	body := fmt.Appendf(nil, `{"id":"%d","padding":"%s"}`, n, padding)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/zoho/webhooks/Deals/edit", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "X-Webhook-Secret": {secret}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	var got struct {
		Events []struct {
			ID       string
			Sequence uint64
		}
	}
	err = json.NewDecoder(response.Body).Decode(&got)
	_, _ = io.Copy(io.Discard, response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK || len(got.Events) != 1 {
		return answer{}, fmt.Errorf("answered %d: %w", response.StatusCode, err)
	}
	return answer{got.Events[0].ID, got.Events[0].Sequence}, nil
}

var padding = string(bytes.Repeat([]byte("x"), 500))

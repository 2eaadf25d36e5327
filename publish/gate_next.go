package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// A pull request names a number of messages, whose size is unknown. A bound in bytes would bound it, but client libraries do not
// handle the status with which the server then ends the request: one drops a message, another stalls for half a minute. All of them
// handle a request that has timed out. So if more than a few messages wait, the gate gives a request only a slice of time. The server
// sends a few megabytes in it, and then the status that ends the slice, so that a client requests more when it has read them.
const (
	// fewMessages are sent in one go.
	fewMessages = 6
	// slice is how long the server may serve a request while more than a few messages wait. If nothing was delivered in one, the
	// machine is busy, and the next is twice as long, up to sliceMost: in that time the server reads no more than may wait for a
	// connection.
	slice, sliceMost = 2 * time.Millisecond, 8 * time.Millisecond
	// serveMost is how long a slice may bring nothing before the next request is forwarded.
	serveMost = 128 * time.Millisecond
	// nudgeAfter is when the status is repeated for a client that has sent no further request: nats.go (1.55) misses a status that
	// arrives while it is still sending the request.
	nudgeAfter = time.Second
)

// pull is a request for messages.
type pull struct {
	stream, consumer, reply string
	of                      server.JSApiConsumerGetNextRequest
	delivered               uint64    // messages that the consumer had delivered
	at                      time.Time // when it had delivered them
	whole                   bool      // it may get all that the stream holds in one go
}

func nextRequest(stream, consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer
}

// next handles a request for messages.
func (g *gate) next(call apiCall) {
	of, err := decodeNext(call.msg.Data)
	if err != nil {
		g.status.send(call.msg.Reply, "400 Bad Request - "+statusText(err))
		return
	}
	g.lastReplies.note(call.consumer, call.msg.Reply)
	p := pull{stream: call.stream, consumer: call.consumer, reply: call.msg.Reply, of: of}
	if of.Batch <= 1 && g.recent.lately(call.stream, call.consumer) {
		g.pass(p)
		return
	}
	if of.Group != "" { // such a client handles bounds in bytes
		p.of.MaxBytes = g.bounded(of.MaxBytes)
	}
	g.scheduler.noteRequest(p.reply)
	select {
	case g.pulls <- p:
	default:
		g.timedOut(p)
	}
}

func (g *gate) bounded(bytes int) int {
	if bytes <= 0 || bytes > calmBytes {
		return calmBytes
	}
	return bytes
}

// decodeNext decodes a request for messages as the server does.
func decodeNext(body []byte) (server.JSApiConsumerGetNextRequest, error) {
	of := server.JSApiConsumerGetNextRequest{Batch: 1}
	switch body = bytes.TrimSpace(body); {
	case len(body) == 0:
		return of, nil
	case body[0] == '{':
		of.Batch = 0
		return of, json.Unmarshal(body, &of)
	}
	var err error
	of.Batch, err = strconv.Atoi(string(body))
	return of, err
}

// statusText returns an error without line breaks, for the line of a status.
func statusText(err error) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())
}

// isSliced reports whether a request gets only a slice of time: it requests more than a few messages of a stream that holds more than
// may wait for a connection.
func (p pull) isSliced() bool { return p.of.Batch > fewMessages && !p.whole }

// passSlice forwards a request, for a slice of time if it is sliced.
func (g *gate) passSlice(p pull, length time.Duration) {
	if p.isSliced() && (p.of.Expires == 0 || p.of.Expires > length) {
		p.of.Expires, p.of.Heartbeat = length, 0
	}
	g.pass(p)
}

// timedOut answers a request as the server does when it expires.
func (g *gate) timedOut(p pull) {
	g.status.send(p.reply, fmt.Sprintf("408 Request Timeout\r\nNats-Pending-Messages: %d\r\nNats-Pending-Bytes: %d", p.of.Batch, p.of.MaxBytes))
}

// pass forwards a request.
func (g *gate) pass(p pull) {
	body, err := json.Marshal(p.of)
	if err != nil {
		return
	}
	_ = g.readers.PublishRequest(fmt.Sprintf("%s.%s.%s.%s", g.key, wayNext, p.stream, p.consumer), p.reply, body)
}

// pull forwards a request: at once if no messages wait, else when it is its connection's turn.
func (g *gate) pull(p pull) {
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	waiting, delivered, err := g.waiting(ctx, p.stream, p.consumer) // 0 while the consumer has reached max_ack_pending
	var api *jetstream.APIError
	if errors.As(err, &api) && api.Code == 404 {
		g.status.send(p.reply, "503") // as the server does where no responder exists
		return
	}
	if err == nil {
		g.recent.note(p.stream, p.consumer)
	}
	if err == nil && waiting > 1 && p.of.Batch > 1 {
		p.delivered, p.at, p.whole = delivered, time.Now(), p.of.Batch > fewMessages && g.sizes.isSmall(ctx, g.owner.js, p.stream)
		g.scheduler.wait(p)
		return
	}
	g.pass(p)
}

// waiting returns how many messages a consumer could deliver now, and how many it has delivered. It can deliver none while it has
// reached max_ack_pending.
func (g *gate) waiting(ctx context.Context, stream, consumer string) (waiting, delivered uint64, err error) {
	answer, err := g.owner.nats.RequestWithContext(ctx, "$JS.API.CONSUMER.INFO."+stream+"."+consumer, nil)
	if err != nil {
		return 0, 0, err
	}
	var of struct {
		Pending uint64 `json:"num_pending"`
		Unacked int    `json:"num_ack_pending"`
		Config  struct {
			MaxUnacked int `json:"max_ack_pending"`
		} `json:"config"`
		Delivered struct {
			Consumer uint64 `json:"consumer_seq"`
		} `json:"delivered"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &of); err != nil {
		return 0, 0, err
	}
	if of.Error != nil {
		return 0, 0, of.Error
	}
	if most := of.Config.MaxUnacked; most > 0 && of.Unacked >= most {
		of.Pending = 0
	}
	return of.Pending, of.Delivered.Consumer, nil
}

// recentConsumers are the consumers that existed a moment ago.
type recentConsumers struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	// seenFor is how long a consumer is assumed to exist after it was seen.
	seenFor = 2 * time.Second
	// seenMost is how many are remembered.
	seenMost = 4096
)

func (s *recentConsumers) lately(stream, consumer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.at[stream+"."+consumer]) < seenFor
}

func (s *recentConsumers) note(stream, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) >= seenMost || s.at == nil {
		s.at = map[string]time.Time{}
	}
	s.at[stream+"."+consumer] = time.Now()
}

func (s *recentConsumers) forget(stream, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, stream+"."+consumer)
}

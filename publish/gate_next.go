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

// A pull request names a number of messages, whose size is unknown. Bounding its bytes would bound them, and client
// libraries do not handle the status with which the server then ends a request: one drops a message for it, another
// stalls for half a minute. All of them handle a request that has run out of time. So where more waits than a few
// messages, the gate gives a request only a slice of time. What the server sends meanwhile is a few megabytes; the status that
// ends the slice comes behind them, so that a client asks again when it has read them.
const (
	// fewMessages are sent in one go.
	fewMessages = 6
	// slice is how long the server may serve a request while there is more than a few messages. Where nothing came in one, the
	// machine is busy, and the next is twice as long, up to sliceMost.
	slice, sliceMost = 2 * time.Millisecond, 128 * time.Millisecond
	// nudgeAfter is when a client that has not asked again gets the end of its slice once more: nats.go (1.55) misses a
	// status that comes while it is still busy with sending the request.
	nudgeAfter = time.Second
)

// pull is a request for messages.
type pull struct {
	stream, consumer, reply string
	of                      server.JSApiConsumerGetNextRequest
	delivered               uint64    // by the consumer
	at                      time.Time // when it had delivered that
	whole                   bool      // it may have all that the stream holds in one go
}

func nextRequest(stream, consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer
}

// next takes a request for messages.
func (g *gate) next(call apiCall) {
	of, err := decodeNext(call.msg.Data)
	if err != nil {
		g.status.send(call.msg.Reply, "400 Bad Request - "+statusText(err))
		return
	}
	g.latest.note(call.consumer, call.msg.Reply)
	p := pull{stream: call.stream, consumer: call.consumer, reply: call.msg.Reply, of: of}
	if of.Batch <= 1 && g.seen.lately(call.stream, call.consumer) {
		g.pass(p)
		return
	}
	if of.Group != "" { // such a client handles bounds in bytes
		p.of.MaxBytes = g.bounded(of.MaxBytes)
	}
	g.turns.noteRequest(p.reply)
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

// isSliced reports whether a request is given a slice of time: it asks for more than a few messages of a stream that holds more
// than a connection may have waiting.
func (p pull) isSliced() bool { return p.of.Batch > fewMessages && !p.whole }

// passSlice sends a request on, for a slice of time if it takes one.
func (g *gate) passSlice(p pull, length time.Duration) {
	if p.isSliced() && (p.of.Expires == 0 || p.of.Expires > length) {
		p.of.Expires, p.of.Heartbeat = length, 0
	}
	g.pass(p)
}

// timedOut answers a request as the server does when its time is up.
func (g *gate) timedOut(p pull) {
	g.status.send(p.reply, fmt.Sprintf("408 Request Timeout\r\nNats-Pending-Messages: %d\r\nNats-Pending-Bytes: %d", p.of.Batch, p.of.MaxBytes))
}

// pass sends a request on.
func (g *gate) pass(p pull) {
	body, err := json.Marshal(p.of)
	if err != nil {
		return
	}
	_ = g.readers.PublishRequest(fmt.Sprintf("%s.%s.%s.%s", g.key, wayNext, p.stream, p.consumer), p.reply, body)
}

// pull sends a request on: at once if nothing waits for it, else when it is its connection's turn.
func (g *gate) pull(p pull) {
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	waiting, delivered, err := g.waiting(ctx, p.stream, p.consumer) // none where only acknowledgements make room for more
	var api *jetstream.APIError
	if errors.As(err, &api) && api.Code == 404 {
		g.status.send(p.reply, "503") // as the server does where no responder exists
		return
	}
	if err == nil {
		g.seen.note(p.stream, p.consumer)
	}
	if err == nil && waiting > 1 && p.of.Batch > 1 {
		p.delivered, p.at, p.whole = delivered, time.Now(), p.of.Batch > fewMessages && g.sizes.isSmall(ctx, g.owner.js, p.stream)
		g.turns.wait(p)
		return
	}
	g.pass(p)
}

// waiting returns how many messages a consumer could deliver now, and how many deliveries it has made. It delivers none while
// as many as it may have wait for their acknowledgement: then each acknowledgement brings one.
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

// seen are the consumers that were there a moment ago.
type seen struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	// seenFor is how long a consumer that was there is taken to be there still.
	seenFor = 2 * time.Second
	// seenMost is how many are remembered.
	seenMost = 4096
)

func (s *seen) lately(stream, consumer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.at[stream+"."+consumer]) < seenFor
}

func (s *seen) note(stream, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) >= seenMost || s.at == nil {
		s.at = map[string]time.Time{}
	}
	s.at[stream+"."+consumer] = time.Now()
}

func (s *seen) forget(stream, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, stream+"."+consumer)
}

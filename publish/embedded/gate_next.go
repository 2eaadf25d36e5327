package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// seenFor is how long a consumer is assumed to exist after it was seen.
	seenFor = 2 * time.Second
	// smallStream is how many bytes a stream may hold for a request to get all of it in one go.
	smallStream = 4 << 20
	// sizeFor is how long the size of a small stream is remembered, and largeFor that of a large one, which rarely shrinks.
	sizeFor, largeFor = 100 * time.Millisecond, 5 * time.Second
)

// next handles a request for messages.
func (g *gate) next(call apiCall) {
	of, err := decodeNext(call.msg.Data)
	if err != nil {
		g.status.send(call.msg.Reply, "400 Bad Request - "+statusText(err))
		return
	}
	g.lastReplies.set(call.consumer, call.msg.Reply)
	p := pull{stream: call.stream, consumer: call.consumer, reply: call.msg.Reply, of: of}
	if of.Batch <= 1 && time.Since(g.seen.get(call.stream+"."+call.consumer)) < seenFor {
		g.pass(p)
		return
	}
	if of.Group != "" { // such a client handles bounds in bytes
		p.of.MaxBytes = bounded(of.MaxBytes)
	}
	g.scheduler.noteRequest(p.reply)
	select {
	case g.pulls <- p:
	default:
		g.timedOut(p)
	}
}

// statusText returns an error without line breaks, for the line of a status.
func statusText(err error) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())
}

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
		g.seen.set(p.stream+"."+p.consumer, time.Now())
	}
	if err == nil && waiting > 1 && p.of.Batch > 1 {
		p.delivered, p.at, p.whole = delivered, time.Now(), p.of.Batch > fewMessages && g.isSmall(ctx, p.stream)
		g.scheduler.wait(p)
		return
	}
	g.pass(p)
}

// waiting returns how many messages a consumer could deliver now, and how many it has delivered. It can deliver none while it has
// reached max_ack_pending.
func (g *gate) waiting(ctx context.Context, stream, consumer string) (waiting, delivered uint64, err error) {
	answer, err := g.owner.NATS().RequestWithContext(ctx, "$JS.API.CONSUMER.INFO."+stream+"."+consumer, nil)
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

// isSmall reports whether a stream holds at most smallStream bytes; false if that is unknown.
func (g *gate) isSmall(ctx context.Context, stream string) bool {
	size := g.sizes.get(stream)
	if time.Now().Before(size.until) {
		return size.small
	}
	found, err := g.owner.JetStream().Stream(ctx, stream)
	size.small = err == nil && found.CachedInfo().State.Bytes <= smallStream
	if size.until = time.Now().Add(sizeFor); !size.small {
		size.until = time.Now().Add(largeFor)
	}
	g.sizes.set(stream, size)
	return size.small
}

package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
)

// newKey returns 128 random bits in letters and digits.
func newKey() string { return strings.ToLower(rand.Text()) }

func newGate(s *server.Server, config Config, key string) *gate {
	g := &gate{
		server: s, readable: map[string]bool{}, key: key, log: config.Log, most: readersConsumers, mostHeld: config.MaxUnread,
		calls: make(chan apiCall, gateQueue), pulls: make(chan pull, gateQueue),
		ended: make(chan struct{}),
	}
	g.scheduler = scheduler{
		server: s, ended: g.ended, pass: g.passSlice, timedOut: g.timedOut,
		conns: map[uint64]*connQueue{}, slices: map[string]lastSlice{}, asked: map[string]uint64{},
	}
	for _, stream := range config.Readable {
		g.readable[stream] = true
	}
	return g
}

// connect opens the gate's connections for readers and returns when it receives requests.
func (g *gate) connect(s inProcess, password string) error {
	options := append(publish.ConnOptions(g.log), nats.InProcessServer(s), nats.UserInfo(gateUser, password))
	var err error
	if g.readers, err = nats.Connect("", options...); err != nil {
		return err
	}
	if g.status, err = openStatusConn(s, gateUser, password); err != nil {
		return err
	}
	for range gateWorkers {
		g.workers.Go(func() { work(g.ended, g.calls, g.relay) })
		g.workers.Go(func() { work(g.ended, g.pulls, g.pull) })
	}
	if g.mostHeld > 0 {
		g.workers.Go(g.watch)
	}
	for subject, handle := range map[string]nats.MsgHandler{apiPrefix + ">": g.request, ackPrefix + ">": g.ack} {
		sub, err := g.readers.Subscribe(subject, handle)
		if err == nil {
			err = sub.SetPendingLimits(1<<17, 16<<20)
		}
		if err != nil {
			return err
		}
	}
	return g.readers.Flush()
}

// work handles what is queued until ended is closed.
func work[of any](ended <-chan struct{}, queue <-chan of, handle func(of)) {
	for {
		select {
		case one := <-queue:
			handle(one)
		case <-ended:
			return
		}
	}
}

// close ends the gate. Requests in flight get no answer: the server closes all connections next.
func (g *gate) close() { g.closing.Do(g.end) }

func (g *gate) end() {
	close(g.ended)
	if g.readers != nil {
		g.readers.Close()
	}
	if g.owner != nil {
		g.owner.Close()
	}
	g.workers.Wait()
	g.scheduler.waiting.Wait()
	if g.status != nil {
		g.status.close()
	}
}

// request handles or rejects a request to JetStream's API.
func (g *gate) request(msg *nats.Msg) {
	call := parseCall(msg.Subject)
	call.msg = msg
	switch {
	case !replyable(msg.Reply):
		return // an answer could not be received
	case call.kind == nil:
		g.refuse(call, "readers may not do this")
	case call.stream != "" && !g.readable[call.stream]:
		g.refuse(call, "readers may not use this stream")
	case call.kind.changes && ownedByBridge(call.consumer):
		g.refuse(call, "this consumer belongs to the bridge")
	case len(msg.Data) > gateBody:
		g.refuse(call, fmt.Sprintf("the request is larger than %d bytes", gateBody))
	default:
		call.kind.handle(g, call)
	}
}

// relay makes a call in the streams' account and answers the reader with the result.
func (g *gate) relay(call apiCall) {
	body, failed := call.kind.encode(g, call)
	if failed != nil {
		g.fail(call, *failed)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	if call.kind.limited {
		g.creating.Lock()
		defer g.creating.Unlock()
		if failed := g.room(ctx, call); failed != nil {
			g.fail(call, *failed)
			return
		}
	}
	request := &nats.Msg{Subject: call.msg.Subject, Data: body}
	if level := call.msg.Header.Get(server.JSRequiredApiLevel); level != "" {
		request.Header = nats.Header{server.JSRequiredApiLevel: {level}}
	}
	answer, err := g.owner.NATS().RequestMsgWithContext(ctx, request)
	g.seen.forget(call.stream + "." + call.consumer) // it may be deleted
	if err == nil {
		body, err = g.readableAlone(call, answer.Data)
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		g.fail(call, server.ApiError{Code: 404, ErrCode: 10014, Description: "consumer not found"})
	case err != nil:
		g.fail(call, server.ApiError{Code: 503, ErrCode: 10008, Description: "JetStream does not answer in time"})
	case g.readers.Publish(call.msg.Reply, body) != nil:
		g.fail(call, server.ApiError{Code: 500, ErrCode: 10008, Description: "the answer exceeds the server's max_payload: ask for less"})
	}
}

package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
)

// The limits of a reader's consumer: bytes of its configuration as JSON, bytes of the metadata in it, pull requests that wait, and
// unacknowledged messages. A larger number of messages is reduced to the limit; beyond any other limit the request is rejected.
const (
	consumerBytes    = 8 << 10
	consumerMetadata = 4 << 10
	consumerWaiting  = 512
	consumerPending  = 1 << 16
	// readersConsumers is how many consumers readers may have on a stream; those of the bridge's own commands come on top.
	readersConsumers = 1000
	// ownConsumers is how many consumers of a stream's own limit are reserved for the bridge.
	ownConsumers = 16
)

// consumer encodes a request to create a consumer, which must be a pull consumer: for a push consumer the server publishes to a
// subject of the reader's choice in the streams' account, which could purge, delete or write.
func (g *gate) consumer(call apiCall) ([]byte, *server.ApiError) {
	of, err := decodeCreate(call.msg.Data)
	if err != nil {
		return nil, server.NewJSInvalidJSONError(err)
	}
	config := &of.Config
	no := func(why string) ([]byte, *server.ApiError) {
		return nil, &server.ApiError{Code: 403, ErrCode: 10003, Description: "not permitted: " + why}
	}
	switch {
	case config.DeliverSubject != "" || config.DeliverGroup != "" || config.FlowControl || config.Heartbeat != 0 || config.RateLimit != 0:
		return no("a push consumer; make a pull consumer (without deliver_subject, deliver_group, flow_control, idle_heartbeat and rate_limit_bps)")
	case config.Direct || config.Sourcing:
		return no("a consumer for sourcing")
	case config.AckPolicy == server.AckFlowControl:
		return no("acknowledging by flow control")
	case ownedByBridge(config.Name) || ownedByBridge(config.Durable):
		return no("names that begin with " + publish.OwnConsumers + " belong to the bridge")
	case config.MaxWaiting > consumerWaiting:
		return no(fmt.Sprintf("max_waiting is more than %d", consumerWaiting))
	}
	if config.AckPolicy != server.AckNone && (config.MaxAckPending < 0 || config.MaxAckPending > consumerPending) {
		config.MaxAckPending = consumerPending
	}
	if metadata, err := json.Marshal(config.Metadata); err != nil || len(metadata) > consumerMetadata {
		return no(fmt.Sprintf("the metadata is larger than %d bytes", consumerMetadata))
	}
	body, failed := encoded(of)
	if failed == nil && len(body) > consumerBytes {
		return no(fmt.Sprintf("the configuration is larger than %d bytes", consumerBytes))
	}
	return body, failed
}

// decodeCreate decodes a request to create a consumer as the server does: it ignores the case of names, and the last of repeated
// members and objects wins.
func decodeCreate(body []byte) (server.CreateConsumerRequest, error) {
	var of server.CreateConsumerRequest
	for decoder := json.NewDecoder(bytes.NewReader(body)); ; {
		if err := decoder.Decode(&of); errors.Is(err, io.EOF) {
			return of, nil
		} else if err != nil {
			return of, err
		}
	}
}

// room returns an error if a call would create one consumer too many on its stream.
func (g *gate) room(ctx context.Context, call apiCall) *server.ApiError {
	stream, err := g.owner.JetStream().Stream(ctx, call.stream)
	if err != nil {
		return nil //nolint:nilerr // the server reports it
	}
	info := stream.CachedInfo()
	most := g.most
	if own := info.Config.MaxConsumers; own > 0 {
		most = min(most, max(own-ownConsumers, 1))
	}
	if info.State.Consumers < most {
		return nil
	}
	name := call.consumer
	if name == "" {
		of, err := decodeCreate(call.msg.Data)
		if err != nil {
			return server.NewJSInvalidJSONError(err)
		}
		name = of.Config.Name
	}
	if name != "" {
		if _, err := stream.Consumer(ctx, name); err == nil {
			return nil // it exists and is updated
		}
	}
	return server.NewJSMaximumConsumersLimitError()
}

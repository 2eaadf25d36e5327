package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// callKinds are the requests that readers may make, by their words.
var callKinds = map[string]*callKind{
	"INFO":                    {0, 0, server.JSApiAccountInfoResponseType, false, false, (*gate).queue, empty},
	"STREAM.NAMES":            {0, 0, server.JSApiStreamNamesResponseType, false, false, (*gate).queue, reencode[server.JSApiStreamNamesRequest]},
	"STREAM.LIST":             {0, 0, server.JSApiStreamListResponseType, false, false, (*gate).queue, reencode[server.JSApiStreamListRequest]},
	"STREAM.INFO":             {1, 1, server.JSApiStreamInfoResponseType, false, false, (*gate).queue, reencode[server.JSApiStreamInfoRequest]},
	"STREAM.MSG.GET":          {1, 1, server.JSApiMsgGetResponseType, false, false, (*gate).get, reencode[server.JSApiMsgGetRequest]},
	"DIRECT.GET":              {1, -1, server.JSApiMsgGetResponseType, false, false, (*gate).direct, nil},
	"CONSUMER.CREATE":         {1, -1, server.JSApiConsumerCreateResponseType, true, true, (*gate).queue, (*gate).consumer},
	"CONSUMER.DURABLE.CREATE": {2, 2, server.JSApiConsumerCreateResponseType, true, true, (*gate).queue, (*gate).consumer},
	"CONSUMER.NAMES":          {1, 1, server.JSApiConsumerNamesResponseType, false, false, (*gate).queue, reencode[server.JSApiConsumersRequest]},
	"CONSUMER.LIST":           {1, 1, server.JSApiConsumerListResponseType, false, false, (*gate).queue, reencode[server.JSApiConsumersRequest]},
	"CONSUMER.INFO":           {2, 2, server.JSApiConsumerInfoResponseType, false, false, (*gate).queue, empty},
	"CONSUMER.DELETE":         {2, 2, server.JSApiConsumerDeleteResponseType, true, false, (*gate).queue, empty},
	"CONSUMER.PAUSE":          {2, 2, server.JSApiConsumerPauseResponseType, true, false, (*gate).queue, reencode[server.JSApiConsumerPauseRequest]},
	"CONSUMER.RESET":          {2, 2, server.JSApiConsumerResetResponseType, true, false, (*gate).queue, (*gate).reset},
	"CONSUMER.UNPIN":          {2, 2, server.JSApiConsumerUnpinResponseType, true, false, (*gate).queue, reencode[server.JSApiConsumerUnpinRequest]},
	"CONSUMER.MSG.NEXT":       {2, 2, server.JSApiSystemResponseType, true, false, (*gate).next, nil},
}

// parseCall reads the subject of a request as the server does: the words, then the stream, then the consumer.
func parseCall(subject string) apiCall {
	tokens := strings.Split(strings.TrimPrefix(subject, apiPrefix), ".")
	call := apiCall{words: strings.Join(tokens[:min(2, len(tokens))], ".")}
	for n := min(3, len(tokens)); n > 0; n-- {
		words := strings.Join(tokens[:n], ".")
		kind, args := callKinds[words], tokens[n:]
		if kind == nil || len(args) < kind.least || kind.most >= 0 && len(args) > kind.most || slices.Contains(tokens, "") {
			continue
		}
		call.kind, call.words = kind, words
		if len(args) > 0 {
			call.stream, call.rest = args[0], strings.Join(args[1:], ".")
		}
		if len(args) > 1 && words != "DIRECT.GET" {
			call.consumer = args[1]
		}
		if strings.ContainsAny(call.consumer, "*>") {
			call.kind = nil
		}
		return call
	}
	return call
}

// empty encodes a request that has no body.
func empty(*gate, apiCall) ([]byte, *server.ApiError) { return nil, nil }

// reencode decodes a body as the server does and returns the encoding of the members that it knows; an empty body stays empty.
func reencode[request any](_ *gate, call apiCall) ([]byte, *server.ApiError) {
	if len(bytes.TrimSpace(call.msg.Data)) == 0 {
		return nil, nil
	}
	var of request
	if err := json.Unmarshal(call.msg.Data, &of); err != nil {
		return nil, server.NewJSInvalidJSONError(err)
	}
	return encoded(of)
}

// reset encodes a request to reset a consumer. The server does not answer one for a consumer that does not exist.
func (g *gate) reset(call apiCall) ([]byte, *server.ApiError) {
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	if _, _, err := g.waiting(ctx, call.stream, call.consumer); err != nil {
		return nil, server.NewJSConsumerNotFoundError()
	}
	return reencode[server.JSApiConsumerResetRequest](g, call)
}

// get forwards a request for one message; the server answers the reader itself.
func (g *gate) get(call apiCall) {
	body, failed := call.kind.encode(g, call)
	if failed != nil {
		g.fail(call, *failed)
		return
	}
	_ = g.readers.PublishRequest(g.key+"."+wayGet+"."+call.stream, call.msg.Reply, body)
}

// direct forwards a request for one message, or for a batch, which it bounds.
func (g *gate) direct(call apiCall) {
	subject := g.key + "." + wayDirect + "." + call.stream
	var body []byte
	if call.rest != "" { // the last message of a subject
		subject += "." + call.rest
	} else if len(bytes.TrimSpace(call.msg.Data)) > 0 {
		var of server.JSApiMsgGetRequest
		if err := json.Unmarshal(call.msg.Data, &of); err != nil {
			g.fail(call, *server.NewJSInvalidJSONError(err))
			return
		}
		if of.Batch > 1 || len(of.MultiLastFor) > 0 {
			of.MaxBytes = bounded(of.MaxBytes)
		}
		var failed *server.ApiError
		if body, failed = encoded(of); failed != nil {
			g.fail(call, *failed)
			return
		}
	}
	_ = g.readers.PublishRequest(subject, call.msg.Reply, body)
}

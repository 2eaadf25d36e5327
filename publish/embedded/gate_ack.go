package embedded

import (
	"bytes"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// ackBody is the largest body of an acknowledgement, in bytes: a delay, a reason, a request for more.
const ackBody = 4 << 10

// ack forwards an acknowledgement.
func (g *gate) ack(msg *nats.Msg) {
	stream, consumer, ok := acknowledged(msg.Subject)
	if !ok || !g.readable[stream] || ownedByBridge(consumer) || len(msg.Data) > ackBody {
		if replyable(msg.Reply) {
			g.refuse(apiCall{msg: msg}, "readers may not acknowledge this")
		}
		return
	}
	if more, found := bytes.CutPrefix(msg.Data, []byte("+NXT")); found { // an acknowledgement that requests the next message
		_ = g.owner.NATS().Publish(msg.Subject, []byte("+ACK"))
		if replyable(msg.Reply) {
			next := &nats.Msg{Reply: msg.Reply, Data: more}
			g.next(apiCall{msg: next, stream: stream, consumer: consumer})
		}
		return
	}
	if !replyable(msg.Reply) {
		_ = g.owner.NATS().Publish(msg.Subject, msg.Data)
		return
	}
	_ = g.readers.PublishRequest(g.key+"."+wayAck+"."+strings.TrimPrefix(msg.Subject, ackPrefix), msg.Reply, msg.Data)
}

// acknowledged returns the stream and the consumer of an acknowledgement's subject, in both forms that the server accepts:
// $JS.ACK.<stream>.<consumer> and five numbers, or with the domain and the account's hash before the stream.
func acknowledged(subject string) (stream, consumer string, ok bool) {
	tokens := strings.Split(strings.TrimPrefix(subject, ackPrefix), ".")
	switch {
	case slices.Contains(tokens, "") || strings.ContainsAny(subject, "*>"):
		return "", "", false
	case len(tokens) == 7:
		return tokens[0], tokens[1], true
	case len(tokens) >= 9:
		return tokens[2], tokens[3], true
	}
	return "", "", false
}

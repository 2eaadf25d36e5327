package publish

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// acknowledgement returns what the answer to a message says: that a stream has stored it, or why not.
func acknowledgement(msg *nats.Msg, stream string) (Ack, error) {
	if ack, ok := parseAck(msg.Data, stream); ok {
		return ack, nil
	}
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return Ack{}, jetstream.ErrNoStreamResponse
	}
	var answer struct {
		Stream    string
		Seq       uint64
		Duplicate bool
		Error     *jetstream.APIError
	}
	switch err := json.Unmarshal(msg.Data, &answer); {
	case err != nil, answer.Error == nil && answer.Stream == "":
		return Ack{}, jetstream.ErrInvalidJSAck
	case answer.Error != nil:
		return Ack{}, answer.Error
	case answer.Stream != stream:
		return Ack{}, fmt.Errorf("acknowledged by stream %q, not by %q", answer.Stream, stream)
	}
	return Ack{Stream: stream, Sequence: answer.Seq, Duplicate: answer.Duplicate}, nil
}

// parseAck reads an acknowledgement of a stream as the server writes it, {"stream":"CRM","seq":7} or with ,"duplicate": true; ok is false
// for anything else.
func parseAck(data []byte, stream string) (ack Ack, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok || len(rest) < len(stream) || string(rest[:len(stream)]) != stream {
		return ack, false
	}
	if rest, ok = bytes.CutPrefix(rest[len(stream):], []byte(`","seq":`)); !ok {
		return ack, false
	}
	digits := 0
	for digits < len(rest) && digits < maxDigits && '0' <= rest[digits] && rest[digits] <= '9' {
		ack.Sequence = 10*ack.Sequence + uint64(rest[digits]-'0')
		digits++
	}
	ack.Stream, ack.Duplicate = stream, string(rest[digits:]) == `,"duplicate": true}`
	plain := digits == 1 || digits > 1 && rest[0] != '0'
	return ack, plain && (ack.Duplicate || string(rest[digits:]) == "}")
}

// maxDigits is how many digits of a sequence cannot overflow it.
const maxDigits = 19

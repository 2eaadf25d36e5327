package embedded

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A pull request names a number of messages, whose size is unknown. A bound in bytes would bound it, but client libraries do not
// handle the status with which the server then ends the request: one drops a message, another stalls for half a minute. All of them
// handle a request that has timed out. So if more than a few messages wait, the gate gives a request only a slice of time. The server
// sends a few megabytes in it, and then the status that ends the slice, so that a client requests more when it has read them.
const (
	// fewMessages are sent in one go.
	fewMessages = 6
	// slice is how long the server may serve a request while more than a few messages wait: in that time it reads no more than may wait
	// for a connection. On a busy machine a slice may bring nothing. After emptySlices of them in a row each is twice as long as the one
	// before it, up to sliceMost, so that a reader is served at last.
	slice, emptySlices, sliceMost = 2 * time.Millisecond, 16, 128 * time.Millisecond
	// sliceBytes is how much a slice should bring: one is shortened, at most to sliceLeast, when the last one brought more in its time.
	sliceBytes, sliceLeast = 4 << 20, 250 * time.Microsecond
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

// isSliced reports whether a request gets only a slice of time: it requests more than a few messages of a stream that holds more than
// may wait for a connection.
func (p pull) isSliced() bool { return p.of.Batch > fewMessages && !p.whole }

// bounded is a bound of bytes, at most calmBytes.
func bounded(bytes int) int {
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

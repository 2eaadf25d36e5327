package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Of all errors of the server, only those about its size reject a message permanently. Missing streams, leader elections and disabled
// JetStream are temporary, and the first and the last of these have the streams ensured.
func TestWhatIsPermanent(t *testing.T) {
	permanent := map[uint16]bool{10054: true, 10097: true}
	missing := map[uint16]bool{10039: true, 10059: true, 10060: true, 10076: true}
	passing := map[uint16]bool{
		10004: true, 10006: true, 10007: true, 10008: true, 10009: true, 10023: true, 10041: true, 10063: true, 10118: true, 10158: true, 10163: true, 10167: true, 10194: true,
	}
	for _, known := range server.ApiErrors {
		err := fmt.Errorf("nats: %w", &jetstream.APIError{Code: known.Code, ErrorCode: jetstream.ErrorCode(known.ErrCode), Description: known.Description})
		if got := tooLarge(err); got != permanent[known.ErrCode] {
			t.Errorf("%d %s: permanent %t", known.ErrCode, known.Description, got)
		}
		if got := gone(err); got != missing[known.ErrCode] {
			t.Errorf("%d %s: the stream is missing %t", known.ErrCode, known.Description, got)
		}
		if got := Temporary(err); got != (passing[known.ErrCode] || missing[known.ErrCode]) {
			t.Errorf("%d %s: temporary %t", known.ErrCode, known.Description, got)
		}
	}
	stored := func(reason error) error {
		return &jetstream.APIError{Code: 503, ErrorCode: 10077, Description: reason.Error()}
	}
	for _, test := range []struct {
		err                  error
		permanent, temporary bool
	}{
		{stored(server.ErrMsgTooLarge), true, false},
		{stored(server.ErrMaxBytes), false, false},
		{nats.ErrMaxPayload, true, false},
		{jetstream.ErrNoStreamResponse, false, true},
		{nats.ErrNoResponders, false, true},
		{nats.ErrDisconnected, false, true},
		{nats.ErrReconnectBufExceeded, false, true},
		{fmt.Errorf("publish: %w", errNotConnected), false, true},
		{&net.OpError{Op: "write", Err: os.ErrClosed}, false, true},
		{nats.ErrConnectionClosed, false, false}, // the bridge itself has closed it
		{errors.New("anything else"), false, false},
	} {
		if tooLarge(test.err) != test.permanent || Temporary(test.err) != test.temporary {
			t.Errorf("%v: permanent %t, temporary %t", test.err, tooLarge(test.err), Temporary(test.err))
		}
	}
}

// An error of the connection in plain words shows no names of Go's packages, and still wraps the original.
func TestErrorsInPlainWords(t *testing.T) {
	const url = "nats://user:secret@host:4222"
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4222}, Err: os.NewSyscallError("connect", errors.New("connection refused"))}
	for want, err := range map[string]error{
		"server 127.0.0.1:4222 is unreachable: connection refused":                                       refused,
		"host nats.example is unknown (DNS)":                                                             &net.OpError{Op: "dial", Err: &net.DNSError{Name: "nats.example"}},
		"server ***@host:4222 does not answer in time; the stream may have no leader":                    context.DeadlineExceeded,
		"server ***@host:4222 is unreachable":                                                            nats.ErrNoServers,
		"server ***@host:4222 has JetStream disabled for this account; enable it or use another account": nats.ErrNoResponders,
	} {
		got := Plain(fmt.Errorf("look for streams: %w", err), url)
		if got.Error() != want || !errors.Is(got, err) || strings.Contains(got.Error(), "secret") {
			t.Errorf("%q becomes %q", err, got)
		}
	}
	if got := Plain(misfit("two streams"), url); got.Error() != "two streams" || !errors.As(got, new(MisfitError)) {
		t.Errorf("a misfit becomes %q", got)
	}
	if Plain(nil, url) != nil {
		t.Error("no error becomes one")
	}
}

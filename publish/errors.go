package publish

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrTooLarge is returned for an event that the stream rejects permanently.
var ErrTooLarge = errors.New("larger than the stream takes")

// ErrPartly is wrapped beside ErrTooLarge if the stream rejected one of several events: the others may be stored.
var ErrPartly = errors.New("others that came with it may be stored")

// ErrUnanswered is wrapped by Publish's error if an event was sent and not answered: an embedded server may still hold it.
var ErrUnanswered = errors.New("NATS has not answered")

var errNotSynced = errors.New("the disk did not sync in time")

// Errors that pass by themselves.
var (
	errSilent       = errors.New("no acknowledgement")
	errNotConnected = errors.New("not connected to NATS")
	errNotAsked     = errors.New("the streams of the remote NATS are not known yet")
)

// MisfitError is an error that only a person can fix, in the streams or in the configuration.
type MisfitError string

// Error says what does not fit, and how to fix it.
func (e MisfitError) Error() string { return string(e) }

func misfit(format string, args ...any) error { return MisfitError(fmt.Sprintf(format, args...)) }

func missing(stream string) error {
	return misfit("stream %s does not exist: name an existing one in BRIDGE_STREAM", stream)
}

// The errors of JetStream for a publish or a request about a stream that the bridge distinguishes (nats-server 2.15.3,
// server/errors.json).
const (
	errTooLarge       jetstream.ErrorCode = 10054 // beyond the stream's max_msg_size
	errHeaderTooLarge jetstream.ErrorCode = 10097 // headers beyond 64 KB
	errStoreFailed    jetstream.ErrorCode = 10077 // full, or larger than a store's block

	errNoJetStream        jetstream.ErrorCode = 10076
	errNoAccountJetStream jetstream.ErrorCode = 10039
	errNoStream           jetstream.ErrorCode = 10059
	errOtherStream        jetstream.ErrorCode = 10060 // another stream has the subject now
)

// temporaryCodes are the errors that pass by themselves, or when a missing stream is made again, mostly within seconds.
var temporaryCodes = map[jetstream.ErrorCode]bool{
	errNoJetStream: true, errNoAccountJetStream: true, errNoStream: true, errOtherStream: true,
	10004: true, // incomplete results
	10006: true, // not in clustered mode (yet)
	10007: true, // cluster not assigned
	10008: true, // JetStream temporarily unavailable
	10009: true, // not the leader
	10023: true, // insufficient resources
	10041: true, // Raft
	10063: true, // sequences of a cluster do not match
	10118: true, // stream is offline
	10158: true, // the same id is in process
	10163: true, // not ready
	10167: true, // too many requests
	10194: true, // stream is offline, with a reason
}

// code returns the code of JetStream's error; 0 for any other error.
func code(err error) jetstream.ErrorCode {
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

// tooLarge reports whether a server rejects a message permanently because of its size: by max_payload, by the stream's max_msg_size,
// by its headers, or by the size of a store's block. No other error of a publish is permanent: it depends on the stream or the server,
// which change, and not on the message.
func tooLarge(err error) bool {
	api := (*jetstream.APIError)(nil)
	switch code(err) {
	case errTooLarge, errHeaderTooLarge:
		return true
	case errStoreFailed:
		return errors.As(err, &api) && strings.Contains(api.Description, "message too large")
	}
	return errors.Is(err, nats.ErrMaxPayload)
}

// gone reports whether an error says that the stream may be missing, so that ensuring it helps.
func gone(err error) bool {
	switch code(err) {
	case errNoStream, errOtherStream, errNoJetStream, errNoAccountJetStream:
		return true
	}
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// Temporary reports whether an error of a NATS server or of the connection to it passes by itself, or when a missing stream is made
// again: the same call may succeed in a moment.
func Temporary(err error) bool {
	if gone(err) || temporaryCodes[code(err)] {
		return true
	}
	for _, one := range []error{errNotConnected, errNotAsked, errSilent, nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, nats.ErrStaleConnection, nats.ErrNoServers} {
		if errors.Is(err, one) {
			return true
		}
	}
	return errors.As(err, new(*net.OpError)) || errors.Is(err, syscall.EPIPE)
}

// Plain returns an error of a NATS client or server at url in plain words; nil for nil.
func Plain(err error, url string) error {
	op, dns, late := (*net.OpError)(nil), (*net.DNSError)(nil), net.Error(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(MisfitError)):
		return err
	case code(err) == errNoJetStream, code(err) == errNoAccountJetStream, errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("server %s has JetStream disabled for this account; enable it or use another account%w", HideUser(url), silent{err})
	case errors.As(err, &dns):
		return fmt.Errorf("host %s is unknown (DNS)%w", dns.Name, silent{err})
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("server %s is unreachable: %s%w", op.Addr, innermost(op), silent{err})
	case errors.As(err, &late) && late.Timeout(), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("server %s does not answer in time; the stream may have no leader%w", HideUser(url), silent{err})
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("server %s is unreachable%w", HideUser(url), silent{err})
	}
	return err
}

// silent wraps an error without its text.
type silent struct{ error }

// Error implements error.
func (silent) Error() string { return "" }

// Unwrap returns the error that is not shown.
func (s silent) Unwrap() error { return s.error }

// innermost returns the text of the innermost error.
func innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// HideUser masks users and passwords in a URL or a list of URLs: everything before the last @.
func HideUser(url string) string {
	if i := strings.LastIndex(url, "@"); i >= 0 {
		return "***" + url[i:]
	}
	return url
}

// hideUser masks the password of a URL that an error quotes.
func hideUser(err error, given string) error {
	if !strings.Contains(given, "@") {
		return err
	}
	var parse *url.Error
	if errors.As(err, &parse) {
		return errors.New("the URL cannot be parsed: percent-encode special characters in its user and password")
	}
	for _, one := range strings.Split(given, ",") {
		if strings.Contains(err.Error(), one) && strings.Contains(one, "@") {
			return errors.New(strings.ReplaceAll(err.Error(), one, HideUser(one)))
		}
	}
	return err
}

package consumers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// MaxListed is how many consumers List returns at most.
const MaxListed = 1000

// ErrTooMany says that the streams have more consumers than List returns.
var ErrTooMany = fmt.Errorf("the streams have more than %d consumers: the others are not listed", MaxListed)

// ErrNotAnswered says that NATS does not answer a request: it answers nothing to a user without the permission for it.
var ErrNotAnswered = errors.New("NATS does not answer")

// patience is how long a server may take for an answer. It answers nothing to a user without the permission to ask.
const patience = 5 * time.Second

// List returns the consumers of streams by stream and name, at most MaxListed: with more, the error is ErrTooMany, beside the first. A
// stream that does not exist has none.
func List(ctx context.Context, conn *publish.Conn, streams ...string) (all []Consumer, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, name := range streams {
		stream, err := conn.JetStream().Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return all, explain(conn, err, "look up stream "+name, "STREAM.INFO."+name)
		}
		lister := stream.ListConsumers(ctx)
		many := false
		for info := range lister.Info() { // to its end: the lister waits for the reader
			if many = many || len(all) == MaxListed; many {
				cancel()
				continue
			}
			all = append(all, consumerOf(info))
		}
		if many {
			return sorted(all), ErrTooMany
		}
		if err := lister.Err(); err != nil {
			return sorted(all), explain(conn, err, "list the consumers of stream "+name, "CONSUMER.LIST."+name)
		}
	}
	return sorted(all), nil
}

// sorted sorts consumers, each once: the server may repeat one on the next page when another is made or deleted meanwhile.
func sorted(all []Consumer) []Consumer {
	slices.SortFunc(all, compare)
	return slices.CompactFunc(all, func(a, b Consumer) bool { return compare(a, b) == 0 })
}

func compare(a, b Consumer) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Name, b.Name))
}

// explain returns an error of a request to JetStream in plain words, with the permission that the user may lack.
func explain(conn *publish.Conn, err error, doing, request string) error {
	if err == nil {
		return nil
	}
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
	if up := conn.Up(); up != nil {
		return fmt.Errorf("%s: %w", doing, up)
	}
	if late || errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("%s: %w; the user of the bridge may lack the permission to publish to $JS.API.%s", doing, ErrNotAnswered, request)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

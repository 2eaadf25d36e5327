package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// removePushConsumers deletes the push consumers that earlier versions let readers store, on every stream of the server.
func removePushConsumers(ctx context.Context, conn *publish.Conn, log *slog.Logger) error {
	streams := conn.JetStream().StreamNames(ctx)
	for name := range streams.Name() {
		stream, err := conn.JetStream().Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("look for push consumers: %w", err)
		}
		list := stream.ListConsumers(ctx)
		var push []string
		for info := range list.Info() {
			if info.Config.DeliverSubject != "" {
				push = append(push, info.Name)
			}
		}
		if err := list.Err(); err != nil {
			return fmt.Errorf("look for push consumers of stream %s: %w", name, err)
		}
		for _, consumer := range push {
			if err := stream.DeleteConsumer(ctx, consumer); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				return fmt.Errorf("delete push consumer %s of stream %s: %w", consumer, name, err)
			}
			log.Warn("push consumer deleted: only pull consumers are permitted", "stream", name, "consumer", consumer)
		}
	}
	return streams.Err()
}

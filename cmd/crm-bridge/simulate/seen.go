package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// seen is an event that came to the stream.
type seen struct {
	At                        time.Time
	Provider, Subject, Record string
	Origin                    string // live or repair
}

// String says what came, and how.
func (s seen) String() string { return fmt.Sprintf("%s  record %s  %s", s.Subject, s.Record, s.How()) }

// How says how the change became known.
func (s seen) How() string {
	if s.Origin == string(ingest.Repair) {
		return "read from the CRM: crmorigin=repair"
	}
	return "reported by a callback"
}

// follow calls f with every event of a bridge's stream as it comes, until ctx ends.
func follow(ctx context.Context, b *bridge.Bridge, f func(seen)) error {
	follower := publish.Follower{
		Reach: func(ctx context.Context) (*publish.Conn, error) { // it is closed in the end, so not the bridge's own
			return publish.Address{URL: b.Store.URL}.Reach(ctx, slog.New(slog.DiscardHandler))
		},
		Stream: b.Settings.Stream, Since: time.Now(),
	}
	return follower.Follow(ctx, func(e publish.Stored) error {
		event, err := e.Event()
		if err != nil {
			return err
		}
		text := func(name string) string {
			value, _ := event.Extensions()[name].(string)
			return value
		}
		f(seen{At: time.Now(), Provider: text("crmprovider"), Subject: e.Subject, Record: event.Subject(), Origin: text("crmorigin")})
		return nil
	})
}

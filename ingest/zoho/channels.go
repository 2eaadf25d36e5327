package zoho

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Channels keeps the notification channels of an account alive, one for each module with its own token and proof.
// Set the fields once. It implements ingest.Watcher, ingest.Lister and ingest.Reader.
type Channels struct {
	Client    *Client
	Account   string            // the org's name in events
	Secrets   ingest.SecretList // the first makes ids, tokens and proofs; channels of the others are replaced
	PublicURL string            // where Zoho reaches the bridge
	Events    ingest.WantedEvents
	Log       *slog.Logger

	mu         sync.Mutex
	reconciled time.Time // when the list of channels was last read; zero: not in this process
	failures   int       // calls of Watch in a row that failed
}

// Changed implements ingest.Lister.
func (c *Channels) Changed(ctx context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return c.Client.changed(ctx, c.Account, q)
}

// RecordsSecrets returns the secrets of changes read from the API. A record is the customer's own data: nothing in it is removed for
// its name.
func (c *Channels) RecordsSecrets() ingest.Secrets {
	return ingest.Secrets{Records: []string{"*"}, Values: []string{c.Client.ClientSecret, c.Client.RefreshToken}, Looks: looks}
}

// Clock returns Zoho's clock; it sends a request first if Zoho has not answered any yet.
func (c *Channels) Clock(ctx context.Context, _ string) (*ingest.Clock, error) {
	if c.Client.clock.Known() {
		return &c.Client.clock, nil
	}
	_, err := c.Client.do(ctx, call{method: http.MethodGet, path: "actions/watch", query: url.Values{"page": {"1"}, "per_page": {"1"}}})
	return &c.Client.clock, err
}

// channels returns the channels as they are remembered.
func (c *Channels) channels(m *coverages) []ingest.Channel {
	list := make([]ingest.Channel, len(c.Events))
	for i, wanted := range c.Events {
		list[i] = m.of(wanted.Module).channel(c.Account, wanted.Module, c.Client.now())
	}
	return list
}

// window converts the time from start, by our own clock, until now to Zoho's clock, which is known only after an answer.
func (c *Channels) window(start time.Time) (before, after time.Time) {
	after = c.Client.now()
	return after.Add(-time.Since(start)), after
}

func (c *Channels) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

package bridge

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// reporter asks every part of the bridge how it is.
type reporter struct {
	settings config.Settings
	started  time.Time
	crms     CRMs
	store    *store.EventStore
	health   *health
	received *receive.Metrics
	channels *channels
	records  []*records.Keeper
	rates    *status.Rates
}

func newReporter(b *parts, health *health, received *receive.Metrics, channels *channels, registry prometheus.Gatherer) *reporter {
	return &reporter{
		settings: b.Settings, started: time.Now().UTC(), crms: b.CRMs, store: b.Store, health: health, received: received,
		channels: channels, records: b.records, rates: &status.Rates{Metrics: registry},
	}
}

// known returns a moment; nil for one that never was.
func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// plain returns the text of an error as people read it.
func plain(text string) string {
	if text == "" {
		return ""
	}
	return terminal.Plainly(errors.New(text))
}

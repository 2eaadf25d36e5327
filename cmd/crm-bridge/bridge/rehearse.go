package bridge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Rehearsal is the way of a callback through a bridge, up to its events, which are handed over in place of being published. Nothing is
// stored, and no data folder or server is opened. Set the fields once.
type Rehearsal struct {
	Settings config.Settings
	Secrets  []string // of the bridge itself, which no event may hold
	CRMs     CRMs
	Log      *slog.Logger // of what the bridge would log
	// Published is called with the events of a callback.
	Published func([]publish.Event)
	// Quarantined is called with why a callback, or a part of it, would be quarantined.
	Quarantined func(reason error)
}

// Handler answers callbacks as the bridge would.
func (r Rehearsal) Handler() (http.Handler, error) {
	mapping, err := NewMapping(r.Settings, r.Secrets, r.CRMs)
	if err != nil {
		return nil, err
	}
	door := &receive.Handler{
		Sources: r.CRMs.first().Sources(), Further: r.CRMs.further(), Accept: Pipeline{mapping, r}.Accept, Log: r.Log,
		Metrics: receive.NewMetrics(prometheus.NewRegistry()), MaxBody: int64(r.Settings.MaxBody), AnswerTimeout: time.Duration(r.Settings.AnswerTimeout),
		MaxInFlight: r.Settings.MaxInFlight, MaxInFlightBytes: r.Settings.InFlightBytes(config.ProcessMemory()), PerRecord: r.Settings.EventPer == "record", Prefixes: r.Settings.PublicURL.Paths(),
		Quarantine: func(_ context.Context, _ ingest.Callback, reason error) (string, error) {
			r.Quarantined(reason)
			return "", nil
		},
	}
	return door.HTTP(), nil
}

// Publish hands events over, as if they were stored.
func (r Rehearsal) Publish(_ context.Context, events ...publish.Event) ([]publish.Ack, error) {
	acks := make([]publish.Ack, len(events))
	for i, e := range events {
		acks[i] = publish.Ack{Subject: r.Subject(e), Stream: r.Settings.Stream}
	}
	r.Published(events)
	return acks, nil
}

// Subject returns the subject that an event would be published on.
func (r Rehearsal) Subject(e publish.Event) string {
	return (&publish.Publisher{Prefix: r.Settings.SubjectPrefix}).Subject(e)
}

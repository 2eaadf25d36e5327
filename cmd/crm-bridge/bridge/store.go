package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// storeConfig says where events go, and what the streams are like, as the settings have it.
func storeConfig(s config.Settings) store.Config {
	return store.Config{
		Server: embedded.Config{Dir: s.DataDir, Sync: s.Sync, Listen: s.NATS.Listen, User: s.NATS.ListenUser, Pass: s.NATS.ListenPassword},
		Remote: s.NATS.Remote(), Direct: s.Direct(),
		Stream: s.Stream, Prefix: s.SubjectPrefix, Mode: s.EventMode, MaxBody: int64(s.MaxBody),
		MaxAge: time.Duration(s.StreamMaxAge), MaxBytes: int64(s.StreamMaxBytes), Replicas: s.StreamReplicas, Duplicates: time.Duration(s.StreamDuplicates),
		Apply: s.StreamApply, JournalBytes: int64(s.JournalMaxBytes), QuarantineBytes: int64(s.QuarantineMaxBytes),
		RecordsBytes: int64(s.RecordsMaxBytes), RecordsHistory: int(s.RecordsHistory),
	}
}

// openStore opens what stores events.
func openStore(ctx context.Context, s config.Settings, data *datadir.Dir, crms CRMs, registry prometheus.Registerer, log *slog.Logger) (*store.EventStore, error) {
	c := storeConfig(s)
	c.Registry, c.Log, c.Server.Log = registry, log, log
	c.Probe, c.JournalID = data.Probe, func() (string, error) { return data.Secret(datadir.JournalSecret) }
	if c.Duplicates == 0 {
		c.Duplicates = duplicates(crms, c.MaxAge)
	}
	var err error
	if c.Server.OwnerPass, err = data.Secret(datadir.OwnerSecret); err != nil {
		return nil, err
	}
	memory := config.ProcessMemory()
	c.Server.MaxUnread, c.MaxIDs = memory.UnreadBytes(), memory.IDs()
	if c.Server.MaxReaders, err = s.Readers(memory, config.OpenFiles()); err != nil {
		return nil, err
	}
	if s.NATS.ListenCert != "" {
		if c.Server.TLS, err = TLSConfig(s.NATS.ListenCert, s.NATS.ListenKey, log); err != nil {
			return nil, fmt.Errorf("BRIDGE_NATS_LISTEN_CERT: %w", err)
		}
	}
	opened, err := store.Open(ctx, c)
	return opened, s.NATS.Explain(err)
}

// duplicates is how long a repeated id is recognised by default: for as long as a CRM's repeats take to come, but not longer
// than the stream keeps events.
func duplicates(crms CRMs, maxAge time.Duration) time.Duration {
	window := 2 * time.Minute
	for _, crm := range crms {
		window = max(window, crm.RepeatsWithin)
	}
	if maxAge > 0 {
		window = min(window, maxAge)
	}
	return window
}

// Package store decides once, when it is opened, how events are stored: in a stream of the embedded server, in a local
// journal that is forwarded to a remote NATS, or on the remote NATS itself. No other package distinguishes them.
// Nothing here knows of CRMs, HTTP, or the environment.
package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// Config says where events go, and what streams should be like.
type Config struct {
	// Server is the embedded server. Without a remote its Listen, TLS, User, Pass, MaxReaders and MaxUnread are for consumers;
	// in front of a remote it is reached from this process alone. Its Dir is the data folder, which the caller has locked.
	Server embedded.Config
	Remote publish.Address // without URL: the embedded server keeps the stream
	Direct bool            // with a remote: there is no journal, and nothing is written here

	// Probe writes and syncs a few bytes in the data folder; it is not called with Direct.
	Probe func(ctx context.Context) error
	// JournalID returns the id of the journal in this data folder, the same after a restart.
	JournalID func() (string, error)

	Stream          string       // name of the stream of events; those beside it are named after it
	Prefix          string       // first token of subjects
	Mode            publish.Mode // of events
	MaxBody         int64        // longest body of a callback
	MaxAge          time.Duration
	MaxBytes        int64 // 0: a part of what is free
	Replicas        int
	Duplicates      time.Duration // how long a repeated id is recognised
	MaxIDs          int           // that the embedded server remembers for so long; events beyond are stored without; 0: no bound
	Apply           bool          // shrinks streams, or moves them to other subjects, if they are not as configured
	JournalBytes    int64         // limit of the journal; 0: a part of the free disk
	QuarantineBytes int64         // limit of the quarantine; 0: a part of what is free
	RecordsBytes    int64         // limit of the records; 0: a part of what is free
	RecordsHistory  int           // states kept of each record

	Registry prometheus.Registerer
	Log      *slog.Logger
}

func (c Config) embedded() bool           { return c.Remote.URL == "" }
func (c Config) quarantineStream() string { return c.Stream + "_QUARANTINE" }
func (c Config) recordsStream() string    { return c.Stream + recordsSuffix }
func (c Config) replayStream() string     { return c.Stream + "_REPLAY" }
func (c Config) journalStream() string    { return c.Stream + journalSuffix }
func (c Config) refusedStream() string    { return c.Stream + "_REFUSED" }
func (c Config) deadStream() string       { return c.Stream + "_DEAD" }
func (c Config) stateBucket() string      { return c.Stream + "_STATE" }

const (
	journalSuffix = "_JOURNAL" // ends the name of a journal's stream
	recordsSuffix = "_RECORDS" // ends that of the states of records
)

// quarantineAge is how long a quarantined callback is kept.
const quarantineAge = 30 * 24 * time.Hour

// room returns how much a stream takes by default, on the server that keeps the stream of events.
func (c Config) room(of Room) func() int64 { return of.On(c.Server.Dir, c.embedded()) }

// window bounds the ids that the embedded server remembers.
func (c Config) window() *publish.Window {
	if c.MaxIDs == 0 {
		return nil
	}
	return &publish.Window{Most: c.MaxIDs, Length: c.Duplicates}
}

// State is the bucket beside the stream, on the server that reach returns a connection to. It is made when it is first used.
func (c Config) State(reach func() (*publish.Conn, error)) *publish.Bucket {
	return &publish.Bucket{Reach: reach, Name: c.stateBucket(), Replicas: c.Replicas, MaxBytes: c.room(stateRoom)}
}

// events is the stream of events. before makes what needs room beside it.
func (c Config) events(before func()) publish.StreamConfig {
	return publish.StreamConfig{
		Name: c.Stream, Description: "CRM changes as CloudEvents", Subjects: []string{c.Prefix + ".>"},
		MaxAge: c.MaxAge, MaxBytes: c.MaxBytes, DefaultMaxBytes: c.room(eventsRoom), RoomShare: eventsRoom.OfAccount,
		Replicas: c.Replicas, Duplicates: c.Duplicates, AgeVariable: "BRIDGE_STREAM_MAX_AGE", BytesVariable: "BRIDGE_STREAM_MAX_BYTES",
		Before: before,
	}
}

// quarantine is the stream of callbacks that could not be parsed.
func (c Config) quarantine() publish.StreamConfig {
	return publish.StreamConfig{
		Name: c.quarantineStream(), Description: "Authenticated callbacks that could not be parsed", Subjects: []string{c.Prefix + "-quarantine.>"},
		MaxAge: quarantineAge, MaxBytes: c.QuarantineBytes, DefaultMaxBytes: c.room(quarantineRoom), RoomShare: quarantineRoom.OfAccount,
		Replicas: c.Replicas, Duplicates: 2 * time.Minute, DiscardNew: true, BytesVariable: "BRIDGE_QUARANTINE_MAX_BYTES",
	}
}

// records is the stream of the states of records.
func (c Config) records() publish.StreamConfig {
	return publish.StreamConfig{
		Name: c.recordsStream(), Description: "The last states of records in the CRMs", Subjects: []string{c.Prefix + "-records.>"},
		MaxBytes: c.RecordsBytes, DefaultMaxBytes: c.room(recordsRoom), RoomShare: recordsRoom.OfAccount,
		Replicas: c.Replicas, Duplicates: 2 * time.Minute, DiscardNew: true, PerSubject: int64(c.RecordsHistory),
		BytesVariable: "BRIDGE_RECORDS_MAX_BYTES", PerSubjectVariable: "BRIDGE_RECORDS_HISTORY",
	}
}

// journal is the local stream of events on their way to a remote NATS.
func (c Config) journal() publish.StreamConfig {
	return publish.StreamConfig{
		Name: c.journalStream(), Description: "Events on their way to the remote NATS", Subjects: []string{c.journalStream() + ".>"},
		MaxBytes: c.JournalBytes, DefaultMaxBytes: eventsRoom.On(c.Server.Dir, true), Replicas: 1, Duplicates: c.Duplicates,
		DiscardNew: true, WorkQueue: true, BytesVariable: "BRIDGE_JOURNAL_MAX_BYTES",
	}
}

// refused is the local stream of what a remote NATS rejects permanently.
func (c Config) refused() publish.StreamConfig {
	return publish.StreamConfig{
		Name: c.refusedStream(), Description: "What the remote NATS rejects permanently", Subjects: []string{c.refusedStream() + ".>"},
		DefaultMaxBytes: quarantineRoom.On(c.Server.Dir, true), Replicas: 1, Duplicates: 2 * time.Minute, DiscardNew: true,
	}
}

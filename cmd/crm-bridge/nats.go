package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/publish"
)

const quarantineAge = 30 * 24 * time.Hour

// streamsTimeout bounds how long the start asks a reachable NATS about its streams.
const streamsTimeout = 15 * time.Second

// openNATS starts or reaches NATS, and makes sure of the streams.
func (b *bridge) openNATS(ctx context.Context) (err error) {
	if b.settings.StreamApply {
		b.log.Warn("BRIDGE_STREAM_APPLY is set: this start may shrink streams or move them to other subjects; unset it afterwards")
	}
	if b.settings.Direct() {
		return b.openDirect(ctx)
	}
	if err = b.openEmbedded(ctx); err != nil {
		return err
	}
	b.published = publish.NewMetrics(b.registry)
	if b.settings.Journaled() {
		return b.openJournal(ctx)
	}
	// Only from here: before, the embedded server may have had to read every block of a large store after a power cut.
	streams, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	stream, err := b.ensureStreams(streams, b.conn)
	if err != nil {
		return err
	}
	if err = b.openCommitters(streams, stream, b.quarantineStream()); err != nil {
		return err
	}
	b.durability = b.describeDurability(stream)
	b.publisher = &publish.Publisher{
		Conn: b.conn, Stream: b.settings.Stream, Prefix: b.settings.SubjectPrefix, Mode: b.settings.EventMode,
		MaxBytes: stream.MaxBytes, Metrics: b.published,
	}
	b.quarantine = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: b.quarantineStream(), Reach: b.local}, Conn: b.conn, Prefix: b.settings.SubjectPrefix,
	}
	if b.groupCommit {
		b.publisher.Commit, b.quarantine.Commit = b.committers[0].Commit, b.committers[1].Commit
		b.quarantine.CommitAll = b.committers[1].CommitAll
	}
	return b.warnOfLeftovers(ctx)
}

func (b *bridge) quarantineStream() string { return b.settings.Stream + "_QUARANTINE" }

// local is the connection on which events are published, or why it is down.
func (b *bridge) local() (*publish.Conn, error) { return b.conn, b.conn.Up() }

// openCommitters makes what a stream and the one beside it acknowledge durable by one sync for all that wait, where that is
// wanted and the store is known to be so.
func (b *bridge) openCommitters(ctx context.Context, stream publish.Stream, beside string) error {
	// Only now: when a server deletes its last stream it also removes the folder of all streams, which the next one needs.
	if err := b.checkLayout(ctx); err != nil {
		return err
	}
	if b.server == nil || b.settings.Sync.Every > 0 || b.settings.Sync.Server {
		return nil
	}
	if stream.Packed || stream.Memory {
		return fmt.Errorf("BRIDGE_SYNC=commit needs stream %s in files and uncompressed: set BRIDGE_SYNC=server", stream.Name)
	}
	first, err := b.server.Committer(stream.Name, b.published)
	if err != nil {
		return err
	}
	b.committers = []*publish.Committer{first}
	second, err := b.server.Committer(beside, nil)
	if err != nil {
		return err
	}
	b.committers, b.groupCommit = append(b.committers, second), true
	return nil
}

func (b *bridge) openEmbedded(ctx context.Context) error {
	s := b.settings
	password, err := b.data.Secret(datadir.OwnerSecret)
	if err != nil {
		return err
	}
	// A journal may hold what was taken under a larger BRIDGE_MAX_BODY.
	server := publish.ServerConfig{Dir: b.data.Path, OwnerPass: password, Sync: s.Sync, MaxPayload: publish.MaxPayload, Log: b.log}
	if s.Embedded() {
		server.MaxPayload = maxPayload(s.MaxBody)
		server.Listen, server.User, server.Pass = s.NATS.Listen, s.NATS.ListenUser, s.NATS.ListenPassword
		server.Readable = []string{s.Stream, b.quarantineStream(), s.Stream + "_REPLAY"}
		memory := config.ProcessMemory()
		server.MaxUnread = memory.UnreadBytes()
		if server.MaxReaders, err = s.Readers(memory, config.OpenFiles()); err != nil {
			return err
		}
	}
	if s.Embedded() && s.NATS.ListenCert != "" {
		if server.TLS, err = tlsConfig(s.NATS.ListenCert, s.NATS.ListenKey, b.log); err != nil {
			return fmt.Errorf("BRIDGE_NATS_LISTEN_CERT: %w", err)
		}
	}
	if b.server, err = publish.OpenServer(ctx, server); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("cannot listen on %s: address already in use; stop what listens there, or set BRIDGE_NATS_LISTEN to a free address", s.NATS.Listen)
		}
		if s.Embedded() {
			err = fmt.Errorf("BRIDGE_NATS_LISTEN: %w", err)
		}
		return err
	}
	b.conn, err = b.server.Connect()
	return err
}

// checkLayout proves that the store is as a Committer expects it. Where it is not, the server is opened again, and syncs
// each event itself.
func (b *bridge) checkLayout(ctx context.Context) error {
	if b.server == nil || b.settings.Sync.Every > 0 || b.settings.Sync.Server {
		return nil
	}
	err := b.server.CheckLayout(ctx, b.conn, b.settings.Stream+"_PROBE")
	if err == nil {
		return nil
	}
	b.log.Warn("the embedded server's store is not as this version knows it: every event is synced on its own, which is slower", "error", err)
	b.conn.Close()
	b.server.Close()
	b.settings.Sync = publish.Sync{Server: true}
	return b.openEmbedded(ctx)
}

// maxPayload leaves room for what an event holds beside a body, which may grow when it is written as JSON.
func maxPayload(maxBody config.Size) int32 {
	return int32(min(7*int64(maxBody)+64<<10, publish.MaxPayload))
}

// ensureStreams makes sure of the streams of events and of quarantine, and returns the first.
func (b *bridge) ensureStreams(ctx context.Context, conn *publish.Conn) (publish.Stream, error) {
	stream, err := b.ensureEvents(ctx, conn)
	if err == nil {
		_, err = b.ensureQuarantine(ctx, conn)
	}
	return stream, err
}

func (b *bridge) ensureEvents(ctx context.Context, conn *publish.Conn) (publish.Stream, error) {
	s := b.settings
	stream, err := b.ensure(ctx, conn, publish.StreamConfig{
		Name: s.Stream, Description: "CRM changes as CloudEvents", Subjects: []string{s.SubjectPrefix + ".>"},
		MaxAge: time.Duration(s.StreamMaxAge), MaxBytes: int64(s.StreamMaxBytes), DefaultMaxBytes: eventsRoom.on(s.DataDir, s.Embedded()), RoomShare: eventsRoom.ofAccount,
		Replicas: s.StreamReplicas, Duplicates: b.duplicates(), AgeVariable: "BRIDGE_STREAM_MAX_AGE", BytesVariable: "BRIDGE_STREAM_MAX_BYTES",
		Before: func() { _, _ = b.ensureQuarantine(ctx, conn) }, // asked again afterwards, which says what is wrong
	})
	if err == nil && !s.Embedded() {
		b.fragile(stream)
	}
	return stream, err
}

func (b *bridge) ensureQuarantine(ctx context.Context, conn *publish.Conn) (publish.Stream, error) {
	s := b.settings
	return b.ensure(ctx, conn, publish.StreamConfig{
		Name: b.quarantineStream(), Description: "Authenticated callbacks that could not be parsed", Subjects: []string{s.SubjectPrefix + "-quarantine.>"},
		MaxAge: quarantineAge, MaxBytes: int64(s.QuarantineMaxBytes), DefaultMaxBytes: quarantineRoom.on(s.DataDir, s.Embedded()), RoomShare: quarantineRoom.ofAccount,
		Replicas: s.StreamReplicas, Duplicates: 2 * time.Minute, DiscardNew: true, BytesVariable: "BRIDGE_QUARANTINE_MAX_BYTES",
	})
}

// ensure makes sure of a stream, logs what it changes, and warns of what is not as configured. BRIDGE_STREAM_APPLY holds for
// the first time alone: two bridges that ask for different subjects would otherwise take turns at each connection.
func (b *bridge) ensure(ctx context.Context, conn *publish.Conn, config publish.StreamConfig) (publish.Stream, error) {
	_, again := b.ensured.Load(config.Name)
	config.Apply = b.settings.StreamApply && !again
	config.Changed = func(setting, from, to string) {
		b.log.Warn("a stream is changed to what is configured", "stream", config.Name, "setting", setting, "old", from, "new", to)
	}
	stream, warnings, err := conn.EnsureStream(ctx, config)
	for _, warning := range warnings {
		b.warnOnce(warning)
	}
	if err == nil {
		b.ensured.Store(config.Name, true)
		if local := b.data != nil && conn == b.conn; local && config.BytesVariable != "" {
			b.warnOfDisk(stream, config.BytesVariable)
		}
	}
	return stream, err
}

// duplicates is how long a repeated id is recognised: as it is set, or for as long as a CRM's repeats take to come.
func (b *bridge) duplicates() time.Duration {
	if set := time.Duration(b.settings.StreamDuplicates); set > 0 {
		return set
	}
	window := 2 * time.Minute
	for _, crm := range b.crms {
		window = max(window, crm.RepeatsWithin)
	}
	if age := time.Duration(b.settings.StreamMaxAge); age > 0 {
		window = min(window, age)
	}
	return window
}

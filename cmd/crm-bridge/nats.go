package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// ownerSecret is the file in the data folder that holds the password of the bridge and its commands.
const ownerSecret = "nats-password"

const quarantineAge = 30 * 24 * time.Hour

// streamsTimeout bounds how long the start asks a reachable NATS about its streams.
const streamsTimeout = 15 * time.Second

// openNATS starts or reaches NATS, and makes sure of the streams.
func (b *bridge) openNATS(ctx context.Context) (err error) {
	if b.settings.embedded() {
		err = b.openEmbedded(ctx)
	} else {
		b.conn, err = b.settings.NATS.remote().Dial(b.log)
	}
	if err != nil {
		return err
	}
	// Only from here: before, the embedded server may have had to read every block of a large store after a power cut.
	ctx, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	stream, err := b.ensureStreams(ctx)
	if err != nil {
		return err
	}
	// Only now: when a server deletes its last stream it also removes the folder of all streams, which the next one needs.
	if err = b.checkLayout(ctx); err != nil {
		return err
	}
	b.published = publish.NewMetrics(b.registry)
	if b.groupCommit, err = b.openCommitters(stream); err != nil {
		return err
	}
	b.durability = b.describeDurability(stream)
	b.quarantine = &publish.Quarantine{Conn: b.conn, Stream: b.settings.Stream + "_QUARANTINE", Prefix: b.settings.SubjectPrefix}
	b.publisher = &publish.Publisher{
		Conn: b.conn, Stream: b.settings.Stream, Prefix: b.settings.SubjectPrefix, Mode: b.settings.EventMode,
		AllIDs: !b.settings.embedded(), MaxBytes: stream.MaxBytes, Metrics: b.published,
	}
	if b.groupCommit {
		b.publisher.Commit, b.quarantine.Commit = b.committers[0].Commit, b.committers[1].Commit
		b.quarantine.CommitAll = b.committers[1].CommitAll
	}
	return nil
}

// openCommitters makes acknowledged events durable by one sync for all that wait, where that is wanted and the store is
// known to be so.
func (b *bridge) openCommitters(stream publish.Stream) (bool, error) {
	if b.server == nil || b.settings.Sync.Every > 0 || b.settings.Sync.Server {
		return false, nil
	}
	if stream.Packed || stream.Memory {
		return false, fmt.Errorf("BRIDGE_SYNC=commit needs stream %s in files and uncompressed: set BRIDGE_SYNC=server", stream.Name)
	}
	events, err := b.server.Committer(b.settings.Stream, b.published)
	if err != nil {
		return false, err
	}
	b.committers = []*publish.Committer{events}
	quarantine, err := b.server.Committer(b.settings.Stream+"_QUARANTINE", nil)
	if err != nil {
		return false, err
	}
	b.committers = append(b.committers, quarantine)
	return true, nil
}

func (b *bridge) openEmbedded(ctx context.Context) error {
	s := b.settings
	password, err := b.data.secret(ownerSecret)
	if err != nil {
		return err
	}
	config := publish.ServerConfig{
		Dir: b.data.jetStream(), Listen: s.NATS.Listen, OwnerPass: password, User: s.NATS.ListenUser, Pass: s.NATS.ListenPassword,
		Readable: []string{s.Stream, s.Stream + "_QUARANTINE", s.Stream + "_REPLAY"},
		Sync:     s.Sync, MaxPayload: maxPayload(s.MaxBody), Log: b.log,
	}
	if s.NATS.ListenCert != "" {
		if config.TLS, err = tlsConfig(s.NATS.ListenCert, s.NATS.ListenKey, b.log); err != nil {
			return fmt.Errorf("BRIDGE_NATS_LISTEN_CERT: %w", err)
		}
	}
	if b.server, err = publish.OpenServer(ctx, config); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("cannot listen on %s: address already in use; stop what listens there, or set BRIDGE_NATS_LISTEN to a free address", s.NATS.Listen)
		}
		return fmt.Errorf("BRIDGE_NATS_LISTEN: %w", err)
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
	b.log.Warn("the embedded server's store is not as this version knows it: every event is synced on its own, which is slower", "error", err.Error())
	b.conn.Close()
	b.server.Close()
	b.settings.Sync = publish.Sync{Server: true}
	return b.openEmbedded(ctx)
}

// maxPayload leaves room for what an event holds beside a body, which may grow when it is written as JSON.
func maxPayload(maxBody Size) int32 { return int32(min(7*int64(maxBody)+64<<10, 64<<20)) }

func (b *bridge) ensureStreams(ctx context.Context) (publish.Stream, error) {
	s := b.settings
	main, warnings, err := b.conn.EnsureStream(ctx, publish.StreamConfig{
		Name: s.Stream, Description: "CRM changes as CloudEvents", Subjects: []string{s.SubjectPrefix + ".>"},
		MaxAge: time.Duration(s.StreamMaxAge), MaxBytes: int64(s.StreamMaxBytes), DefaultMaxBytes: b.share(0.6, 10<<30),
		Replicas: s.StreamReplicas, Duplicates: b.duplicates(),
	})
	if err != nil {
		return main, err
	}
	_, more, err := b.conn.EnsureStream(ctx, publish.StreamConfig{
		Name: s.Stream + "_QUARANTINE", Description: "Callbacks that were proven but not understood", Subjects: []string{s.SubjectPrefix + "-quarantine.>"},
		MaxAge: quarantineAge, DefaultMaxBytes: b.share(0.05, 1<<30), Replicas: s.StreamReplicas, Duplicates: 2 * time.Minute, DiscardNew: true,
	})
	for _, warning := range append(warnings, more...) {
		b.log.Warn(warning)
	}
	return main, err
}

// duplicates is how long a repeated id is recognised: as it is set, or for as long as a source's repeats take to come.
func (b *bridge) duplicates() time.Duration {
	if set := time.Duration(b.settings.StreamDuplicates); set > 0 {
		return set
	}
	window := 2 * time.Minute
	for _, source := range b.sources {
		if late, ok := source.(interface{ RepeatsWithin() time.Duration }); ok {
			window = max(window, late.RepeatsWithin())
		}
	}
	if age := time.Duration(b.settings.StreamMaxAge); age > 0 {
		window = min(window, age)
	}
	return window
}

// share returns a part of the free disk, at most limit bytes; beside a remote NATS, whose disk is not ours, the limit.
func (b *bridge) share(part float64, limit int64) func() int64 {
	return func() int64 {
		if b.data == nil {
			return limit
		}
		return min(limit, max(int64(part*float64(freeBytes(b.data.path))), 1<<20))
	}
}

// describeDurability says what an answered callback survives, in one line.
func (b *bridge) describeDurability(stream publish.Stream) string {
	every := b.settings.Sync.Every
	switch {
	case b.settings.embedded() && stream.Memory:
		return fmt.Sprintf("an answer means: in the memory of this machine, for stream %s is kept in memory; nothing survives the end of the bridge", stream.Name)
	case b.settings.embedded() && every > 0:
		return fmt.Sprintf("an answer means: in the page cache of this machine; it survives a crash of the bridge, but a power cut loses up to %s and may damage the stream (BRIDGE_SYNC=%s)", every, every)
	case b.settings.embedded():
		how := "each event on its own"
		if b.groupCommit {
			how = "one sync for all that wait"
		}
		return fmt.Sprintf("an answer means: fsynced to %s on this machine (%s); it survives kill -9 and a power cut", filepath.Join(b.data.path, "jetstream"), how)
	}
	storage := "file"
	if stream.Memory {
		storage = "memory"
	}
	if b.settings.Delivery == "" {
		b.log.Warn("BRIDGE_DELIVERY is not set: this version has no journal yet, so it answers on the remote's acknowledgement, and with 503 while the remote is away; set BRIDGE_DELIVERY=direct to keep it so")
	}
	if stream.Replicas < 2 || stream.Memory {
		b.log.Warn("the remote stream has one replica or memory storage: losing that server loses answered events", "stream", stream.Name, "replicas", stream.Replicas, "storage", storage)
	}
	return fmt.Sprintf("an answer means: acknowledged by the remote NATS, stream %s, %d replica(s), %s storage", stream.Name, stream.Replicas, storage)
}

// remote is where the remote NATS is.
func (n natsSettings) remote() publish.Address {
	return publish.Address{URL: n.URL, Creds: n.Creds, Nkey: n.Nkey, User: n.User, Password: n.Password, CA: n.CA, Cert: n.Cert, Key: n.Key}
}

// tlsConfig serves a certificate from files, and reads them again when they change.
func tlsConfig(cert, key string, log *slog.Logger) (*tls.Config, error) {
	pair := &keyPair{cert: cert, key: key, log: log}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}, nil
}

package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// replayAge is how long replayed events are kept.
const replayAge = 7 * 24 * time.Hour

// ReplayWindow is how long the stream that takes replayed events recognises an id. On the embedded server it only has to outlast what is in
// flight when a connection breaks, and each id in it costs memory.
func ReplayWindow(s config.Settings) time.Duration {
	if s.Embedded() {
		return 10 * time.Second
	}
	return 2 * time.Minute
}

// ReplayPlace is where replay jobs are kept and publish, on the server of a connection. warn is called with what is to know about the
// stream that takes replayed events.
func ReplayPlace(s config.Settings, conn *publish.Conn, warn func(text string)) *replay.Place {
	p := &replay.Place{
		Conn: conn, State: SharedState(s, func() (*publish.Conn, error) { return conn, nil }), Prefix: s.SubjectPrefix, Warn: warn,
		Stream: publish.StreamConfig{
			Name: s.ReplayStream(), Description: "Events that were replayed, for each job on subjects of its own", Subjects: []string{s.SubjectPrefix + "-replay.>"},
			MaxAge: replayAge, DefaultMaxBytes: store.ReplayRoom.On(s.DataDir, s.Embedded()), RoomShare: store.ReplayRoom.OfAccount, Replicas: s.StreamReplicas, Duplicates: ReplayWindow(s), DiscardNew: true,
			Apply: s.StreamApply, Changed: func(setting, from, to string) {
				warn(fmt.Sprintf("stream %s: %s changed from %s to %s", s.ReplayStream(), setting, from, to))
			},
		},
	}
	if s.Syncs() {
		p.Dir = s.DataDir
		p.State.Commit = func(context.Context) error { return disk.SyncStream(s.DataDir, "KV_"+s.StateBucket()) }
	}
	return p
}

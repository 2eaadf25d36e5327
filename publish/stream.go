package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ours is the metadata that marks a stream which the bridge made and may change.
const (
	ours      = "managed-by"
	oursValue = "crm-bridge"
	bytesFrom = "crm-bridge-max-bytes" // "default" if no variable set the limit
)

// StreamConfig is what a stream should be like.
type StreamConfig struct {
	Name        string
	Description string
	Subjects    []string
	MaxAge      time.Duration // 0: no limit
	MaxBytes    int64         // 0: DefaultMaxBytes for a new stream; an existing limit stays
	// DefaultMaxBytes returns the limit of a new stream if MaxBytes is 0. It depends on the free disk and so may differ at every start;
	// it never changes an existing limit.
	DefaultMaxBytes func() int64
	// RoomShare is the part of the account's free storage that bounds DefaultMaxBytes; 0: the account is not asked.
	RoomShare  float64
	Replicas   int
	Duplicates time.Duration
	DiscardNew bool // at a limit reject new messages instead of dropping the oldest
	WorkQueue  bool // an acknowledged message is removed

	// Before is called before the stream is made with a default limit, which may reserve all the room that is left, to make what else
	// needs room; nil: nothing does.
	Before func()

	// BytesVariable and AgeVariable name the variables of MaxBytes and MaxAge, such as BRIDGE_STREAM_MAX_BYTES; empty: none.
	BytesVariable, AgeVariable string
	// Apply allows changes that EnsureStream otherwise rejects: those that shrink what is kept, or change subjects.
	Apply bool
	// Changed is called for each setting of an existing stream that was changed; nil: changes are not reported.
	Changed func(setting, from, to string)
}

// MisfitError is an error that only a person can fix, in the streams or in the configuration.
type MisfitError string

// Error says what does not fit, and how to fix it.
func (e MisfitError) Error() string { return string(e) }

func misfit(format string, args ...any) error { return MisfitError(fmt.Sprintf(format, args...)) }

func missing(stream string) error {
	return misfit("stream %s does not exist: name an existing one in BRIDGE_STREAM", stream)
}

// EnsureStream makes the stream, or applies config to one that the bridge made and reports each change to Changed. A change that would
// drop stored messages or move the stream to other subjects is a MisfitError unless config.Apply is set. A stream that somebody else
// made is adopted and never changed: relevant differences are returned as warnings. It is a MisfitError if the stream does not cover
// config's subjects or another stream holds some of them, and a NoRoomError if the server has no storage left for it.
func (c *Conn) EnsureStream(ctx context.Context, config StreamConfig) (Stream, []string, error) {
	if err := c.noOther(ctx, config); err != nil {
		return Stream{}, nil, err
	}
	stream, err := c.js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return c.makeStream(ctx, config)
	}
	if err != nil {
		return Stream{}, nil, fmt.Errorf("look up stream %s: %w", config.Name, err)
	}
	have := stream.CachedInfo().Config
	if err := unusable(have); err != nil {
		return Stream{}, nil, err
	}
	if have.Metadata[ours] != oursValue {
		warnings, err := config.adopt(have)
		return found(stream), warnings, err
	}
	wanted := config.apply(have)
	changes := config.changes(have, wanted)
	if err := config.refuse(changes); err != nil {
		return found(stream), nil, err
	}
	if len(changes) > 0 || have.Metadata[bytesFrom] != wanted.Metadata[bytesFrom] {
		if stream, err = c.js.UpdateStream(ctx, wanted); err != nil {
			return Stream{}, nil, c.explainRoom(ctx, config, wanted.MaxBytes, fmt.Errorf("change stream %s to the configured limits: %w", config.Name, err))
		}
		config.report(changes)
	}
	return found(stream), nil, nil
}

// Stream describes a stream, and what its acknowledgements guarantee.
type Stream struct {
	Name     string
	Replicas int
	Memory   bool   // it is kept in memory only
	Packed   bool   // it is kept compressed
	Interest bool   // it stores only messages for which a consumer exists
	MaxBytes int64  // a larger event would be dropped at once; at most 0: no limit
	Bytes    uint64 // stored now
	Subjects []string
	Beside   bool  // messages that it rejects are set aside: other streams do not wait for it
	Unusable error // why it accepts nothing now: its messages are set aside; nil: it is usable
}

func found(stream jetstream.Stream) Stream {
	info := stream.CachedInfo()
	config := info.Config
	return Stream{
		Name: config.Name, Replicas: config.Replicas, Memory: config.Storage == jetstream.MemoryStorage, Packed: config.Compression != jetstream.NoCompression,
		Interest: config.Retention == jetstream.InterestPolicy, MaxBytes: config.MaxBytes, Bytes: info.State.Bytes, Subjects: config.Subjects,
	}
}

// Streams returns how many messages each stream of the server holds, by name.
func (c *Conn) Streams(ctx context.Context) (map[string]uint64, error) {
	held := map[string]uint64{}
	infos := c.js.ListStreams(ctx)
	for info := range infos.Info() {
		held[info.Config.Name] = info.State.Msgs
	}
	if err := infos.Err(); err != nil {
		return held, fmt.Errorf("list streams: %w", err)
	}
	return held, nil
}

// Lacks reports whether the server says that it has no such stream.
func (c *Conn) Lacks(ctx context.Context, stream string) bool {
	_, err := c.js.Stream(ctx, stream)
	return errors.Is(err, jetstream.ErrStreamNotFound)
}

// MaxBytes returns how many bytes a stream may hold; at most 0: no limit.
func (c *Conn) MaxBytes(ctx context.Context, stream string) (int64, error) {
	have, err := c.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", stream, err)
	}
	return have.CachedInfo().Config.MaxBytes, nil
}

// noOther returns an error if a stream other than config's holds some of its subjects.
func (c *Conn) noOther(ctx context.Context, config StreamConfig) error {
	for _, subject := range config.Subjects {
		names := c.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
		for name := range names.Name() {
			if name != config.Name {
				return misfit("stream %s already holds subjects of %s, which stream %s needs: name it in BRIDGE_STREAM, or choose another BRIDGE_SUBJECT_PREFIX", name, subject, config.Name)
			}
		}
		if err := names.Err(); err != nil {
			return fmt.Errorf("look for streams on %s: %w", subject, err)
		}
	}
	return nil
}

// fresh returns the settings that cannot be changed later.
func (c StreamConfig) fresh() jetstream.StreamConfig {
	base := jetstream.StreamConfig{Name: c.Name, Storage: jetstream.FileStorage}
	if c.WorkQueue {
		base.Retention = jetstream.WorkQueuePolicy
	}
	return base
}

// apply returns base, an existing stream, with config's settings. A limit stays when its variable is unset.
func (c StreamConfig) apply(base jetstream.StreamConfig) jetstream.StreamConfig {
	metadata := map[string]string{ours: oursValue, bytesFrom: "default"}
	if c.MaxBytes > 0 {
		base.MaxBytes, metadata[bytesFrom] = c.MaxBytes, "set"
	}
	for key, value := range base.Metadata {
		if _, own := metadata[key]; !own {
			metadata[key] = value
		}
	}
	base.Metadata, base.Description, base.Subjects = metadata, c.Description, c.Subjects
	base.MaxAge, base.Replicas, base.Duplicates, base.AllowDirect = c.MaxAge, c.Replicas, c.Duplicates, true
	base.Discard = jetstream.DiscardOld
	if c.DiscardNew {
		base.Discard = jetstream.DiscardNew
	}
	return base
}

// covers reports whether every subject that wanted matches is matched by filter.
func covers(filter, wanted string) bool {
	have, want := strings.Split(filter, "."), strings.Split(wanted, ".")
	for i, token := range have {
		switch {
		case token == ">":
			return i < len(want)
		case i >= len(want) || want[i] == ">":
			return false
		case token != "*" && token != want[i]:
			return false
		}
	}
	return len(have) == len(want)
}

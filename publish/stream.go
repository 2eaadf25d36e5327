package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ours marks, in a stream's metadata, a stream that the bridge made and may change.
const (
	ours      = "managed-by"
	oursValue = "crm-bridge"
	bytesFrom = "crm-bridge-max-bytes" // "default" where no variable set the limit
)

// StreamConfig is what a stream should be like.
type StreamConfig struct {
	Name        string
	Description string
	Subjects    []string
	MaxAge      time.Duration // 0: no limit
	MaxBytes    int64         // 0: DefaultMaxBytes where the stream is made, unchanged where it exists
	// DefaultMaxBytes is computed from the free disk, so it would differ at every start.
	DefaultMaxBytes func() int64
	Replicas        int
	Duplicates      time.Duration
	DiscardNew      bool // at a limit refuse new messages instead of dropping the oldest
	WorkQueue       bool // a message stays until it is acknowledged, and no longer
}

// MisfitError is an error that only a person can mend, in the streams or in the configuration.
type MisfitError string

// Error says what does not fit, and what mends it.
func (e MisfitError) Error() string { return string(e) }

func misfit(format string, args ...any) error { return MisfitError(fmt.Sprintf(format, args...)) }

func missing(stream string) error {
	return misfit("there is no stream %s: name one that is there in BRIDGE_STREAM", stream)
}

// EnsureStream makes the stream, or brings one that the bridge made to config. A stream that somebody else made is
// adopted and never changed: what matters and differs is returned as warnings. It is an error if the stream does not
// cover config's subjects, or if another stream holds some of them.
func (c *Conn) EnsureStream(ctx context.Context, config StreamConfig) (Stream, []string, error) {
	if err := c.noOther(ctx, config); err != nil {
		return Stream{}, nil, err
	}
	stream, err := c.js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = c.js.CreateStream(ctx, config.apply(config.fresh()))
		if err != nil {
			return Stream{}, nil, fmt.Errorf("make stream %s: %w", config.Name, err)
		}
		return found(stream), nil, nil
	}
	if err != nil {
		return Stream{}, nil, fmt.Errorf("look up stream %s: %w", config.Name, err)
	}
	have := stream.CachedInfo().Config
	if have.Metadata[ours] != oursValue {
		warnings, err := config.adopt(have)
		return found(stream), warnings, err
	}
	if wanted := config.apply(have); !same(have, wanted) {
		if stream, err = c.js.UpdateStream(ctx, wanted); err != nil {
			return Stream{}, nil, fmt.Errorf("change stream %s to the configured limits: %w", config.Name, err)
		}
	}
	return found(stream), nil, nil
}

// Stream is what a stream promises for what it acknowledges.
type Stream struct {
	Name     string
	Replicas int
	Memory   bool  // it is kept in memory only
	Packed   bool  // it is kept compressed
	MaxBytes int64 // a larger event would be gone at once; at most 0: no limit
	Subjects []string
	Beside   bool  // what it cannot take is set aside: the events of other streams do not wait for it
	Unusable error // why it takes nothing now: what is for it is set aside; nil: it can be used
}

func found(stream jetstream.Stream) Stream {
	config := stream.CachedInfo().Config
	return Stream{Name: config.Name, Replicas: config.Replicas, Memory: config.Storage == jetstream.MemoryStorage, Packed: config.Compression != jetstream.NoCompression, MaxBytes: config.MaxBytes, Subjects: config.Subjects}
}

// Streams returns how many messages each stream of the server holds, by its name.
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

// fresh is what cannot be changed later.
func (c StreamConfig) fresh() jetstream.StreamConfig {
	base := jetstream.StreamConfig{Name: c.Name, Storage: jetstream.FileStorage}
	if c.WorkQueue {
		base.Retention = jetstream.WorkQueuePolicy
	}
	return base
}

// apply returns base with config's settings.
func (c StreamConfig) apply(base jetstream.StreamConfig) jetstream.StreamConfig {
	metadata := map[string]string{ours: oursValue, bytesFrom: "set"}
	for key, value := range base.Metadata {
		if _, own := metadata[key]; !own {
			metadata[key] = value
		}
	}
	fresh := base.MaxBytes == 0
	switch {
	case c.MaxBytes > 0:
		base.MaxBytes = c.MaxBytes
	case fresh || base.Metadata[bytesFrom] != "default":
		base.MaxBytes = c.DefaultMaxBytes()
		metadata[bytesFrom] = "default"
	default:
		metadata[bytesFrom] = "default"
	}
	base.Metadata, base.Description, base.Subjects = metadata, c.Description, c.Subjects
	base.MaxAge, base.Replicas, base.Duplicates, base.AllowDirect = c.MaxAge, c.Replicas, c.Duplicates, true
	base.Discard = jetstream.DiscardOld
	if c.DiscardNew {
		base.Discard = jetstream.DiscardNew
	}
	return base
}

func same(a, b jetstream.StreamConfig) bool {
	return a.MaxAge == b.MaxAge && a.MaxBytes == b.MaxBytes && a.Replicas == b.Replicas && a.Duplicates == b.Duplicates &&
		a.Discard == b.Discard && a.AllowDirect == b.AllowDirect && a.Description == b.Description &&
		slices.Equal(a.Subjects, b.Subjects) && a.Metadata[bytesFrom] == b.Metadata[bytesFrom]
}

// adopt compares a stream that somebody else made with what the bridge would have made.
func (c StreamConfig) adopt(have jetstream.StreamConfig) (warnings []string, err error) {
	for _, subject := range c.Subjects {
		if !slices.ContainsFunc(have.Subjects, func(filter string) bool { return covers(filter, subject) }) {
			return nil, misfit("stream %s does not hold %s: add that subject to it, or name another stream in BRIDGE_STREAM", c.Name, subject)
		}
	}
	if have.NoAck || have.Sealed {
		return nil, misfit("stream %s acknowledges nothing or is sealed: events cannot be made safe in it; name another stream in BRIDGE_STREAM", c.Name)
	}
	warn := func(differs bool, name string, has, wants any, means string) {
		if differs {
			warnings = append(warnings, fmt.Sprintf("stream %s was not made by crm-bridge and is left as it is: %s is %v, not %v: %s", c.Name, name, has, wants, means))
		}
	}
	warn(have.Retention != jetstream.LimitsPolicy, "retention", have.Retention, jetstream.LimitsPolicy, "events may be gone before every consumer has read them")
	warn(have.Storage != jetstream.FileStorage, "storage", have.Storage, jetstream.FileStorage, "events do not survive a restart of the server")
	warn(have.Replicas != c.Replicas, "replicas", have.Replicas, c.Replicas, "that many servers keep an event when it is answered")
	warn(have.Duplicates != c.Duplicates, "duplicates window", have.Duplicates, c.Duplicates, "a repeat after it becomes a second event")
	warn(have.MaxAge != c.MaxAge, "max_age", have.MaxAge, c.MaxAge, "events are kept for another time than BRIDGE_STREAM_MAX_AGE says")
	warn(c.MaxBytes > 0 && have.MaxBytes != c.MaxBytes, "max_bytes", have.MaxBytes, c.MaxBytes, "another amount is kept than BRIDGE_STREAM_MAX_BYTES says")
	warn(have.MaxMsgs > 0, "max_msgs", have.MaxMsgs, "unlimited", "the oldest events go at that number")
	warn(have.MaxMsgsPerSubject > 0, "max_msgs_per_subject", have.MaxMsgsPerSubject, "unlimited", "older events of a subject are dropped")
	warn(have.MaxMsgSize > 0, "max_msg_size", have.MaxMsgSize, "unlimited", "larger events are answered with 413")
	warn(have.SubjectTransform != nil, "subject_transform", "set", "unset", "events lie under other subjects than the answers say")
	warn(have.Discard != jetstream.DiscardOld && !c.DiscardNew, "discard", have.Discard, jetstream.DiscardOld, "callbacks are answered with 503 when it is full")
	return warnings, nil
}

// covers tells whether every subject that wanted matches is matched by filter.
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

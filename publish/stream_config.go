package publish

import (
	"cmp"
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
	DiscardNew bool  // at a limit reject new messages instead of dropping the oldest
	WorkQueue  bool  // an acknowledged message is removed
	PerSubject int64 // messages kept of each subject, the newest; 0: all

	// FirstSequence is that of the first message of a stream that is made; 0: 1. It changes no existing stream.
	FirstSequence uint64

	// Before is called before the stream is made with a default limit, which may reserve all the room that is left, to make what else
	// needs room; nil: nothing does.
	Before func()

	// Overlap says what to do where another stream holds some of the subjects; empty: to choose other names.
	Overlap string

	// BytesVariable, AgeVariable and PerSubjectVariable name the variables of MaxBytes, MaxAge and PerSubject, such as
	// BRIDGE_STREAM_MAX_BYTES; empty: none.
	BytesVariable, AgeVariable, PerSubjectVariable string
	// Apply allows changes that EnsureStream otherwise rejects: those that shrink what is kept, or change subjects.
	Apply bool
	// Changed is called for each setting of an existing stream that was changed; nil: changes are not reported.
	Changed func(setting, from, to string)
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

// fresh returns the settings that cannot be changed later.
func (c StreamConfig) fresh() jetstream.StreamConfig {
	base := jetstream.StreamConfig{Name: c.Name, Storage: jetstream.FileStorage, FirstSeq: c.FirstSequence}
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
	base.MaxMsgsPerSubject = cmp.Or(c.PerSubject, -1)
	base.Discard = jetstream.DiscardOld
	if c.DiscardNew {
		base.Discard = jetstream.DiscardNew
	}
	return base
}

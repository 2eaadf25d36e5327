package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

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
		made, warnings, err := c.makeStream(ctx, config)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return c.EnsureStream(ctx, config)
		}
		return made, warnings, err
	}
	if err != nil {
		return Stream{}, nil, fmt.Errorf("look up stream %s: %w", config.Name, err)
	}
	have := stream.CachedInfo().Config
	if err := unusable(have); err != nil {
		return Stream{}, nil, err
	}
	warnings, err := config.fits(have)
	if err != nil || have.Metadata[ours] != oursValue {
		return found(stream), warnings, err
	}
	wanted := config.apply(have)
	changes := config.changes(have, wanted)
	if len(changes) > 0 || have.Metadata[bytesFrom] != wanted.Metadata[bytesFrom] {
		if stream, err = c.js.UpdateStream(ctx, wanted); err != nil {
			return Stream{}, nil, c.explainRoom(ctx, config, wanted.MaxBytes, fmt.Errorf("change stream %s to the configured limits: %w", config.Name, err))
		}
		config.report(changes)
	}
	return found(stream), nil, nil
}

// fits returns an error for a stream that EnsureStream would not take, and for one that somebody else made what differs.
func (c StreamConfig) fits(have jetstream.StreamConfig) (warnings []string, err error) {
	if have.Metadata[ours] != oursValue {
		return c.adopt(have)
	}
	return nil, c.refuse(c.changes(have, c.apply(have)))
}

// CheckStream returns the error that EnsureStream would return for the stream as it is, and changes nothing. One that is missing is
// fine: it is made.
func (c *Conn) CheckStream(ctx context.Context, config StreamConfig) error {
	if err := c.noOther(ctx, config); err != nil {
		return err
	}
	stream, err := c.js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", config.Name, err)
	}
	have := stream.CachedInfo().Config
	if err := unusable(have); err != nil {
		return err
	}
	_, err = config.fits(have)
	return err
}

// Streams returns how many messages each stream of the server holds, by name.
func (c *Conn) Streams(ctx context.Context) (map[string]uint64, error) {
	return c.streams(ctx, func(*jetstream.StreamInfo) bool { return true })
}

// streams is Streams for those that are selected.
func (c *Conn) streams(ctx context.Context, selected func(*jetstream.StreamInfo) bool) (map[string]uint64, error) {
	held := map[string]uint64{}
	infos := c.js.ListStreams(ctx)
	for info := range infos.Info() {
		if selected(info) {
			held[info.Config.Name] = info.State.Msgs
		}
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
	have, err := c.stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	return have.CachedInfo().Config.MaxBytes, nil
}

// LastSequence returns the sequence of a stream's last message.
func (c *Conn) LastSequence(ctx context.Context, stream string) (uint64, error) {
	have, err := c.stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	return have.CachedInfo().State.LastSeq, nil
}

// noOther returns an error if a stream other than config's holds some of its subjects.
func (c *Conn) noOther(ctx context.Context, config StreamConfig) error {
	for _, subject := range config.Subjects {
		names := c.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
		for name := range names.Name() {
			if name != config.Name {
				return misfit("stream %s already holds subjects of %s, which stream %s needs: %s", name, subject, config.Name, cmp.Or(config.Overlap, "name it in BRIDGE_STREAM, or choose another BRIDGE_SUBJECT_PREFIX"))
			}
		}
		if err := names.Err(); err != nil {
			return fmt.Errorf("look for streams on %s: %w", subject, err)
		}
	}
	return nil
}

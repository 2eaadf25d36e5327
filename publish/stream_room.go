package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// NoRoomError says that a NATS server lacks the storage that a stream reserves.
type NoRoomError struct {
	Stream   string
	Variable string // sets how much the stream reserves; empty: none
	Bytes    int64  // that the stream reserves on each of its servers
	Replicas int
	Room     int64 // bytes that the account has left for one replica; -1: the server's own limit was reached, which it does not report
	Err      error
}

// Error says what was rejected, what is left, and what to set.
func (e *NoRoomError) Error() string {
	left := "the account itself has no limit, so it is the server's (jetstream max_file_store, fileStore.maxSize of the Helm chart)"
	if e.Room >= 0 {
		left = "the account has " + byteText(max(e.Room, 1)) + " left"
	}
	if e.Room == 0 {
		left = "the account has nothing left"
	}
	do := "give the account or the server more storage"
	if e.Variable != "" {
		do = "set " + e.Variable + " to less, or " + do
	}
	return fmt.Sprintf("stream %s reserves %s on each of %d server(s), and NATS has no room for it: %s; %s (%s)", e.Stream, byteText(e.Bytes), e.Replicas, left, do, e.Err)
}

// Unwrap returns the server's own error.
func (e *NoRoomError) Unwrap() error { return e.Err }

// JetStream's errors for a stream that is too large.
const (
	accountExceeded = jetstream.ErrorCode(10002)
	noPeers         = jetstream.ErrorCode(10005) // in a cluster; because of storage if its description says so
	storageExceeded = jetstream.ErrorCode(10047)
	streamExceeded  = jetstream.ErrorCode(10122)
)

func noRoom(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case accountExceeded, storageExceeded, streamExceeded:
		return true
	case noPeers:
		return strings.Contains(api.Description, "insufficient storage")
	}
	return false
}

// explainRoom returns err, as a NoRoomError if the server rejected a stream of size bytes for its size.
func (c *Conn) explainRoom(ctx context.Context, config StreamConfig, size int64, err error) error {
	if !noRoom(err) {
		return err
	}
	return &NoRoomError{Stream: config.Name, Variable: config.BytesVariable, Bytes: size, Replicas: config.Replicas, Room: c.room(ctx, config.Replicas), Err: err}
}

// room returns how many bytes a new stream may reserve in the account; -1: the account has no limit or does not report it.
func (c *Conn) room(ctx context.Context, replicas int) int64 {
	ctx, cancel := context.WithTimeout(ctx, roomTimeout) // without permission there is no answer
	defer cancel()
	info, err := c.js.AccountInfo(ctx)
	if err != nil {
		return -1
	}
	tier, copies := info.Tier, int64(replicas)
	if own, ok := info.Tiers[fmt.Sprintf("R%d", replicas)]; ok {
		tier, copies = own, 1 // its figures are those of one replica
	}
	left := int64(-1)
	if limit := tier.Limits.MaxStore; limit >= 0 && (limit > 0 || len(info.Tiers) == 0) {
		left = max(0, limit-int64(max(tier.Store, tier.ReservedStore))) / max(copies, 1)
	}
	if most := tier.Limits.StoreMaxStreamBytes; most > 0 && (left < 0 || most < left) {
		left = most
	}
	return left
}

// roomTimeout bounds the request for what an account has left.
const roomTimeout = time.Second

// leastRoom is the smallest default, whatever the account has left.
const leastRoom = 4 << 20

// leastPart is the divisor of the smallest part of a default with which a stream is made: below it the operator has to choose.
const leastPart = 4

// makeStream makes a stream that does not exist. A default that the server has no room for is halved, down to a quarter, with a
// warning. The error is jetstream.ErrStreamNameAlreadyInUse if another replica was faster, with another default.
func (c *Conn) makeStream(ctx context.Context, config StreamConfig) (Stream, []string, error) {
	wanted := config.apply(config.fresh())
	var least int64
	if config.MaxBytes == 0 {
		if config.Before != nil {
			config.Before()
		}
		wanted.MaxBytes = config.DefaultMaxBytes()
		if config.RoomShare > 0 {
			if room := c.room(ctx, config.Replicas); room >= 0 {
				wanted.MaxBytes = min(wanted.MaxBytes, max(leastRoom, int64(config.RoomShare*float64(room))))
			}
		}
		least = wanted.MaxBytes / leastPart
	}
	asked := wanted.MaxBytes
	stream, err := c.js.CreateStream(ctx, wanted)
	for noRoom(err) && least > 0 && wanted.MaxBytes/2 >= least {
		wanted.MaxBytes /= 2
		stream, err = c.js.CreateStream(ctx, wanted)
	}
	if err != nil {
		return Stream{}, nil, c.explainRoom(ctx, config, wanted.MaxBytes, fmt.Errorf("make stream %s: %w", config.Name, err))
	}
	var warnings []string
	if wanted.MaxBytes < asked {
		warnings = append(warnings, fmt.Sprintf("stream %s keeps at most %s, since NATS has no room for the default of %s: set %s to what it may use", config.Name, byteText(wanted.MaxBytes), byteText(asked), config.BytesVariable))
	}
	return found(stream), warnings, nil
}

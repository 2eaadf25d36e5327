package publish

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Committer returns a Committer of a stream of the server, when everything that the stream holds is on disk. Its syncs are counted in
// metrics, unless these are nil.
func (s *Server) Committer(stream string, metrics *Metrics) (*Committer, error) {
	c, err := openCommitter(s.config.Dir, stream, s.holds(stream), s.broken)
	if err == nil {
		c.metrics = metrics
	}
	return c, err
}

// holds returns a function that reports whether a stream holds a message, as the server knows it: no file is read.
func (s *Server) holds(name string) func(sequence uint64) (bool, error) {
	return func(sequence uint64) (bool, error) {
		conn, err := s.Connect()
		if err != nil {
			return false, err
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
		defer cancel()
		stream, err := conn.js.Stream(ctx, name)
		if err != nil {
			return false, err
		}
		info, err := stream.Info(ctx, jetstream.WithDeletedDetails(true))
		if err != nil {
			return false, err
		}
		state := info.State
		return sequence >= state.FirstSeq && sequence <= state.LastSeq && !slices.Contains(state.Deleted, sequence), nil
	}
}

// OpenCommitter is Server.Committer for another process, which publishes to the server whose folder is dir.
func OpenCommitter(dir, stream string) (*Committer, error) {
	return openCommitter(dir, stream, nil, make(chan string, 1))
}

// openTimeout bounds how long the first sync of a stream is repeated if it fails without losing anything.
const openTimeout = 5 * time.Second

func openCommitter(dir, stream string, holds func(uint64) (bool, error), broken chan<- string) (*Committer, error) {
	if err := syncTree(filepath.Join(dir, "jetstream"), flush); err != nil {
		return nil, fmt.Errorf("sync the store: %w", err)
	}
	c := &Committer{files: blockFiles{folder: blocksOf(dir, stream), flush: flush, holds: holds, index: -1}, broken: broken}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := c.Commit(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

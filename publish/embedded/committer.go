package embedded

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Committer returns a Committer of a stream of the server, when everything that the stream holds is on disk.
func (s *Server) Committer(stream string) (*disk.Committer, error) {
	return disk.OpenCommitter(s.config.Dir, stream, disk.Options{Holds: s.holds(stream), Broken: s.broken})
}

// holdsTimeout bounds the question whether a stream holds a message.
const holdsTimeout = 5 * time.Second

// holds returns a function that reports whether a stream holds a message, as the server knows it: no file is read.
func (s *Server) holds(name string) func(sequence uint64) (bool, error) {
	return func(sequence uint64) (bool, error) {
		conn, err := s.Connect()
		if err != nil {
			return false, err
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), holdsTimeout)
		defer cancel()
		stream, err := conn.JetStream().Stream(ctx, name)
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

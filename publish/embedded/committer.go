package embedded

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Committer returns a Committer of a stream of the server, when everything that the stream holds is on disk. Its syncs are counted in
// metrics, unless these are nil.
func (s *Server) Committer(stream string, metrics *publish.Metrics) (*disk.Committer, error) {
	options := disk.Options{Holds: s.holds(stream), Broken: s.broken}
	if metrics != nil {
		options.Synced = metrics.Synced
	}
	return disk.OpenCommitter(s.config.Dir, stream, options)
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

package embedded

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// Config describes the embedded NATS server.
type Config struct {
	Dir        string      // JetStream's folder; no other process may use it
	Listen     string      // host:port for consumers; empty: the server is reachable only in this process
	TLS        *tls.Config // for consumers; nil: plain
	OwnerPass  string      // of the bridge itself and its own commands, which have all permissions
	User, Pass string      // of consumers; empty: anyone who reaches Listen is a consumer
	Readable   []string    // streams that consumers may read
	Sync       Sync
	MaxPayload int32 // bytes
	MaxReaders int   // connections that consumers may have at once; 0: the server's default
	MaxUnread  int64 // bytes that may wait for all consumers together; 0: no bound
	Log        *slog.Logger
}

// Sync says when the embedded server's files are synced to disk.
type Sync struct {
	Server bool          // by the server, before each of its acknowledgements
	Every  time.Duration // at this interval, and answers do not wait for it; 0 with Server false: by a Committer, before each answer
}

// never is longer than any process runs. The server's periodic sync also rewrites blocks in which much was deleted, and a power cut
// between the rewriting and its sync could lose events that a Committer synced long ago.
const never = 10 * 365 * 24 * time.Hour

func (s Sync) interval() time.Duration {
	if s.Every == 0 && !s.Server {
		return never
	}
	return s.Every
}

// Decode reads "commit", "server" or a duration from an environment variable.
func (s *Sync) Decode(value string) error {
	*s = Sync{}
	switch strings.ToLower(value) {
	case "commit":
		return nil
	case "server":
		s.Server = true
		return nil
	}
	every, err := time.ParseDuration(value)
	if err != nil || every < time.Millisecond {
		return errors.New(`must be "commit", "server" or a duration such as 1s`)
	}
	s.Every = every
	return nil
}

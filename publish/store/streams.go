package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// streams ensures streams, and says each thing about them once.
type streams struct {
	Config
	ensured sync.Map // names of the streams that were as configured once
	differs sync.Map // how foreign streams differ from the configuration, by name, when they were last ensured: []string
	said    sync.Map // what each new connection would repeat
}

// remoteTimeout bounds a question to the remote about its streams. A stream without a leader does not answer at all.
const remoteTimeout = 5 * time.Second

// ensure ensures a stream, logs what it changes, and warns of differences from the configuration. Config.Apply holds for the
// first time alone: two bridges that ask for different subjects would otherwise take turns at each connection.
func (s *streams) ensure(ctx context.Context, conn *publish.Conn, config publish.StreamConfig) (publish.Stream, error) {
	_, again := s.ensured.Load(config.Name)
	config.Apply = s.Apply && !again
	config.Changed = func(setting, from, to string) {
		s.Log.Warn("a stream is changed to what is configured", "stream", config.Name, "setting", setting, "old", from, "new", to)
	}
	stream, warnings, err := conn.EnsureStream(ctx, config)
	for _, warning := range warnings {
		s.warnOnce(warning)
	}
	if err == nil {
		s.ensured.Store(config.Name, true)
		s.differs.Store(config.Name, warnings)
	}
	return stream, err
}

// warnOnce logs a warning that each new connection would repeat.
func (s *streams) warnOnce(text string, args ...any) {
	if s.first(text + fmt.Sprint(args...)) {
		s.Log.Warn(text, args...)
	}
}

// first reports whether a text was not said before.
func (s *streams) first(text string) bool {
	_, said := s.said.LoadOrStore(text, true)
	return !said
}

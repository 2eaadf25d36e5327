package embedded

import (
	"sync"
	"time"
)

// recentConsumers are the consumers that existed a moment ago.
type recentConsumers struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	// seenFor is how long a consumer is assumed to exist after it was seen.
	seenFor = 2 * time.Second
	// seenMost is how many are remembered.
	seenMost = 4096
)

func (s *recentConsumers) lately(stream, consumer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.at[stream+"."+consumer]) < seenFor
}

func (s *recentConsumers) note(stream, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) >= seenMost || s.at == nil {
		s.at = map[string]time.Time{}
	}
	s.at[stream+"."+consumer] = time.Now()
}

func (s *recentConsumers) forget(stream, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, stream+"."+consumer)
}

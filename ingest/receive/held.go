package receive

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// held bounds what requests hold at once: their number, and the bytes of their headers and bodies, from the first byte
// that is read until the answer. Where a bound is reached, the slowest unfinished bodies are cut before a new request is
// refused. What is authenticated is never cut for what is not.
type held struct {
	maxRequests int
	maxBytes    int64
	hit         func(limit string) // counts in a metric

	mu         sync.Mutex
	requests   int
	bytes      int64
	unfinished map[*share]struct{} // whose bodies are being read
}

// share is what one request holds. Leave gives it back.
type share struct {
	of            *held
	authenticated bool   // authenticated by its headers or its URL
	cut           func() // has its sender read no further; must not block

	bytes   int64
	behind  time.Duration // how far it was behind the pace, at a moment
	at      time.Time
	wasCut  bool
	hasLeft bool
}

// pace is how many bytes a second a body is expected to come at. A faster sender collects no credit, so that a body which
// stalls in the end is as slow as one that stalls at once.
const pace = 64 << 10

// patience is how far behind the pace a body must be before it is cut for the number of requests alone.
const patience = time.Second

var (
	errCut         = errors.New("the slowest unfinished bodies were cut: too much was under way")
	errTooMany     = fmt.Errorf("%w: as many requests as BRIDGE_MAX_IN_FLIGHT allows are under way", ingest.ErrRetry)
	errTooMuchHeld = fmt.Errorf("%w: bodies hold all that BRIDGE_MAX_IN_FLIGHT_BYTES allows", ingest.ErrRetry)
)

// enter counts a request, or returns an error that wraps ErrRetry. cut is called at most once, while its body is read.
func (h *held) enter(authenticated bool, cut func()) (*share, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.requests >= h.maxRequests {
		h.hit("in_flight")
		slowest := h.slowest(&share{authenticated: authenticated}, now)
		if slowest == nil || slowest.lag(now) < patience {
			return nil, errTooMany
		}
		h.cut(slowest)
	}
	s := &share{of: h, authenticated: authenticated, cut: cut, at: now}
	h.requests++
	h.unfinished[s] = struct{}{}
	return s, nil
}

// grow counts n more bytes of a request, before they are allocated. It returns errCut where the request is the slowest
// itself, and an error that wraps ErrRetry where nothing can be cut for it. Alone a request may hold any number of bytes.
func (s *share) grow(n int64) error {
	h := s.of
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.wasCut {
		return errCut
	}
	for now := time.Now(); h.bytes > s.bytes && h.bytes+n > h.maxBytes; {
		h.hit("in_flight_bytes")
		switch slowest := h.slowest(s, now); slowest {
		case nil:
			return errTooMuchHeld
		case s:
			h.cut(s)
			return errCut
		default:
			h.cut(slowest)
		}
	}
	s.bytes += n
	h.bytes += n
	return nil
}

// progress notes that n bytes of the body have come.
func (s *share) progress(n int) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.wasCut {
		return errCut
	}
	now := time.Now()
	s.behind = max(0, s.lag(now)-time.Duration(n)*time.Second/pace)
	s.at = now
	return nil
}

// finish says that the body is read, or of no interest any more: it is cut no longer. It returns errCut where it was before.
func (s *share) finish() error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	delete(s.of.unfinished, s)
	if s.wasCut {
		return errCut
	}
	return nil
}

// shrink gives back the bytes, for a body that was dropped.
func (s *share) shrink() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if !s.hasLeft {
		s.of.bytes -= s.bytes
		s.bytes = 0
	}
}

// leave gives back all.
func (s *share) leave() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.leave(s)
}

func (h *held) leave(s *share) {
	delete(h.unfinished, s)
	if !s.hasLeft {
		s.hasLeft = true
		h.requests--
		h.bytes -= s.bytes
	}
}

func (h *held) cut(s *share) {
	s.wasCut = true
	h.leave(s)
	s.cut()
}

// slowest returns the unfinished body that is the furthest behind the pace, to be cut for another one, or nil. Those that
// are authenticated come last, and only for one that is authenticated, too. It may be the other one itself, unless that is new.
func (h *held) slowest(other *share, now time.Time) *share {
	var found *share
	for s := range h.unfinished {
		switch {
		case s == other && s.bytes == 0, s.authenticated && !other.authenticated:
		case found == nil, found.authenticated && !s.authenticated, found.authenticated == s.authenticated && s.lag(now) > found.lag(now):
			found = s
		}
	}
	return found
}

// lag is how far a body is behind the pace.
func (s *share) lag(now time.Time) time.Duration { return s.behind + now.Sub(s.at) }

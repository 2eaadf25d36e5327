package receive

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// inFlight limits the requests in flight: their number, and the bytes of their headers and bodies, from the first byte read until the
// answer. At a limit the slowest unfinished bodies are cut before a new request is refused. An authenticated request is never cut for
// one that is not.
type inFlight struct {
	maxRequests int
	maxBytes    int64
	hit         func(limit string)        // counts in a metric
	stop        func(http.ResponseWriter) // ends the read of a request's body; must not block

	mu         sync.Mutex
	requests   int
	bytes      int64
	unfinished map[*reservation]struct{} // whose bodies are being read
}

// reservation is what one request holds, until it is released.
type reservation struct {
	of            *inFlight
	authenticated bool                // by its headers or its URL
	answer        http.ResponseWriter // of the request, to stop it

	bytes    int64
	behind   time.Duration // how far it was behind the pace, at the time at
	at       time.Time
	wasCut   bool
	released bool
}

// pace is the expected rate of a body, in bytes a second. A faster sender gets no credit, so that a body that stalls late is as slow as
// one that stalls at once.
const pace = 64 << 10

// patience is how far a body must be behind the pace to be cut because of the number of requests.
const patience = time.Second

// light is how many bytes a body may hold that is not cut for bytes before larger ones, as that makes no room; unless it is behind the pace
// for as long as stalled. So a short callback gets through a crowd of long ones even if the bridge has little CPU time to read it.
const (
	light   = 2 * firstRead
	stalled = 5 * time.Second
)

var (
	errCut         = errors.New("the slowest unfinished bodies were cut: too much was in flight")
	errTooMany     = fmt.Errorf("%w: as many requests as BRIDGE_MAX_IN_FLIGHT allows are in flight", ingest.ErrRetry)
	errTooMuchHeld = fmt.Errorf("%w: bodies hold all that BRIDGE_MAX_IN_FLIGHT_BYTES allows", ingest.ErrRetry)
)

// enter counts a request and reserves the first bytes of it, or returns an error that wraps ErrRetry. It may be stopped once, while its
// body is read.
func (f *inFlight) enter(authenticated bool, bytes int64, answer http.ResponseWriter) (*reservation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &reservation{of: f, authenticated: authenticated, answer: answer, at: time.Now()}
	if f.requests >= f.maxRequests {
		f.hit("in_flight")
		slowest := f.slowest(s, s.at, false)
		if slowest == nil || slowest.lag(s.at) < patience {
			return nil, errTooMany
		}
		f.cut(slowest)
	}
	f.requests++
	f.unfinished[s] = struct{}{}
	if err := f.reserve(s, bytes); err != nil {
		f.release(s)
		return nil, err
	}
	return s, nil
}

// grow reserves n more bytes of a request, before they are allocated. It returns errCut if the request itself is the slowest, and an
// error that wraps ErrRetry if nothing can be cut for it. A single request may hold any number of bytes.
func (s *reservation) grow(n int64) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.wasCut {
		return errCut
	}
	return s.of.reserve(s, n)
}

func (f *inFlight) reserve(s *reservation, n int64) error {
	exceeds := func(held int64) bool { return held > s.bytes && held+n > f.maxBytes }
	if exceeds(f.bytes) && exceeds(f.bytes-f.freeable(s)) {
		f.hit("in_flight_bytes")
		return errTooMuchHeld // cutting all others would not make room
	}
	for exceeds(f.bytes) {
		f.hit("in_flight_bytes")
		switch slowest := f.slowest(s, time.Now(), true); slowest {
		case nil:
			return errTooMuchHeld
		case s:
			f.cut(s)
			return errCut
		default:
			f.cut(slowest)
		}
	}
	s.bytes += n
	f.bytes += n
	return nil
}

// progress notes that n bytes of the body have arrived, and more are to come.
func (s *reservation) progress(n int) error {
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

// finish says that the body is read or no longer needed, so it is not cut any more. It returns errCut if it was cut before.
func (s *reservation) finish() error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	delete(s.of.unfinished, s)
	if s.wasCut {
		return errCut
	}
	return nil
}

// shrink releases the bytes of a dropped body.
func (s *reservation) shrink() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if !s.released {
		s.of.bytes -= s.bytes
		s.bytes = 0
	}
}

// release releases the request.
func (s *reservation) release() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.release(s)
}

func (f *inFlight) release(s *reservation) {
	delete(f.unfinished, s)
	if !s.released {
		s.released = true
		f.requests--
		f.bytes -= s.bytes
	}
}

func (f *inFlight) cut(s *reservation) {
	s.wasCut = true
	f.release(s)
	f.stop(s.answer)
}

// slowest returns the unfinished body that is furthest behind the pace, to be cut for other; nil if there is none. Authenticated ones
// come last, and only if other is authenticated too; where bytes are needed, light ones come after the others. It may be other itself,
// unless that is new.
func (f *inFlight) slowest(other *reservation, now time.Time, bytes bool) *reservation {
	var found *reservation
	for s := range f.unfinished {
		switch {
		case s == other && s.bytes == 0, s.authenticated && !other.authenticated:
		case found == nil || s.goesBefore(found, now, bytes):
			found = s
		}
	}
	return found
}

// freeable returns the bytes of all bodies that may be cut for other, without its own.
func (f *inFlight) freeable(other *reservation) (bytes int64) {
	for s := range f.unfinished {
		if s != other && (other.authenticated || !s.authenticated) {
			bytes += s.bytes
		}
	}
	return bytes
}

// goesBefore reports whether a body is cut before another one.
func (s *reservation) goesBefore(another *reservation, now time.Time, bytes bool) bool {
	switch {
	case s.authenticated != another.authenticated:
		return another.authenticated
	case bytes && s.isLight(now) != another.isLight(now):
		return another.isLight(now)
	}
	return s.lag(now) > another.lag(now)
}

func (s *reservation) isLight(now time.Time) bool { return s.bytes <= light && s.lag(now) < stalled }

// lag returns how far a body is behind the pace.
func (s *reservation) lag(now time.Time) time.Duration { return s.behind + now.Sub(s.at) }

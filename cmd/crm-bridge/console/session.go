package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of sessions.
const (
	maxSessions    = 64
	sessionLife    = 12 * time.Hour
	sessionIdle    = 2 * time.Hour
	maxToldAtOnce  = 8
	secretByteSize = 32
)

// newSecret returns a random secret that fits into a URL.
func newSecret() string {
	secret := make([]byte, secretByteSize)
	_, _ = rand.Read(secret) // never fails
	return base64.RawURLEncoding.EncodeToString(secret)
}

// digest is what is kept of a secret: what finds it takes the same time whatever its bytes are.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// session is a browser that has signed in.
type session struct {
	csrf         string
	begun, asked time.Time

	mu   sync.Mutex
	told []string
}

// tell shows a sentence on the next page.
func (s *session) tell(sentence string) {
	if sentence == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told = append(s.told, sentence); len(s.told) > maxToldAtOnce {
		s.told = s.told[1:]
	}
}

// hear returns what was told, once.
func (s *session) hear() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = nil
	return told
}

// sessions are those that have not ended. The zero value is empty.
type sessions struct {
	mu  sync.Mutex
	all map[digest]*session
}

// begin returns the secret of a new session. The one that was idle longest ends where there would be too many.
func (s *sessions) begin(now time.Time) string {
	secret := newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[digest]*session{}
	}
	s.dropEnded(now)
	if len(s.all) >= maxSessions {
		var oldest digest
		for key, one := range s.all {
			if first := s.all[oldest]; first == nil || one.asked.Before(first.asked) {
				oldest = key
			}
		}
		delete(s.all, oldest)
	}
	s.all[digestOf(secret)] = &session{csrf: newSecret(), begun: now, asked: now}
	return secret
}

// of returns the session of a secret; nil: there is none, or it has ended.
func (s *sessions) of(secret string, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[digestOf(secret)]
	if one == nil || one.ended(now) {
		return nil
	}
	one.asked = now
	return one
}

// in returns the session of a request's cookie; nil: nobody has signed in.
func (s *sessions) in(r *http.Request) *session {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	return s.of(cookie.Value, time.Now())
}

// cookieName is the name of the session's cookie. Browsers send cookies to every port of a host: bridges on one machine need their own.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "crm_bridge_console_" + port
}

// holds reports whether a session has not ended.
func (s *sessions) holds(one *session, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, held := range s.all {
		if held == one {
			return !one.ended(now)
		}
	}
	return false
}

// end ends a session.
func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, digestOf(secret))
}

func (s *sessions) dropEnded(now time.Time) {
	for key, one := range s.all {
		if one.ended(now) {
			delete(s.all, key)
		}
	}
}

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.begun) > sessionLife || now.Sub(s.asked) > sessionIdle
}

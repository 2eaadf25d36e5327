package publish

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverLog passes on what the embedded server says; without a logger of its own the server would end the process when
// JetStream does not start.
type serverLog struct {
	log   *slog.Logger
	fatal chan string

	broken chan string // the first error after which the store takes nothing more until it is opened anew

	mu     sync.Mutex
	warned time.Time    // when a cut was last warned of
	cuts   int          // since then
	named  chan cutConn // for the gate to find out the consumers of; nil without a gate

	clients clientErrors
}

func (l *serverLog) Noticef(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Slow Consumer") {
		l.cut(text)
		return
	}
	l.log.Debug("embedded NATS: " + text)
}

// cutEvery is the time between two warnings of connections that were cut.
const cutEvery = time.Minute

// cut has a connection warned of that was cut because it did not read what it was sent: the first, then once in a while with
// the number of those in between. The server holds locks meanwhile, so it is not asked for more here.
func (l *serverLog) cut(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cuts++; time.Since(l.warned) < cutEvery {
		return
	}
	select {
	case l.named <- cutConn{text, l.cuts}:
	default:
		cutConn{text, l.cuts}.warnOfCut(l, "")
	}
	l.warned, l.cuts = time.Now(), 0
}

func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") || strings.HasPrefix(format, "Maximum payloads over") {
		return // they are random and stay in this process, or the operator's own; and so is what is as large as that
	}
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Producer was stalled") {
		return // the gate, by a reader that does not read
	}
	l.log.Warn("embedded NATS: " + text)
}

func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if ofClient.MatchString(text) { // it may hold any words of the client's
		if count := l.clients.count(text); count > 0 {
			l.log.Error("embedded NATS: "+text, "count", count)
		}
		return
	}
	l.log.Error("embedded NATS: " + text)
	if strings.Contains(strings.ToLower(text), "critical write error") {
		select {
		case l.broken <- text:
		default:
		}
	}
}

func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
		l.log.Error("embedded NATS: " + fmt.Sprintf(format, v...))
	}
}

// failed returns what the server could not go on after, if there was something.
func (l *serverLog) failed() error {
	select {
	case reason := <-l.fatal:
		return fmt.Errorf("embedded NATS server: %s", reason)
	default:
		return nil
	}
}

// waitFor returns when the server's streams are recovered.
func (l *serverLog) waitFor(s *server.Server) error {
	deadline := time.After(startTimeout)
	for {
		select {
		case reason := <-l.fatal:
			return fmt.Errorf("embedded NATS server: %s", reason)
		case <-deadline:
			return fmt.Errorf("embedded NATS server: not ready after %s", startTimeout)
		default:
			if s.ReadyForConnections(100*time.Millisecond) && s.JetStreamEnabled() {
				// With accounts of its own a server leaves the global one, which holds the streams, without JetStream.
				if s.GlobalAccount().JetStreamEnabled() {
					return nil
				}
				return s.GlobalAccount().EnableJetStream(nil, nil)
			}
		}
	}
}

package embedded

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverLog logs for the embedded server; without a logger the server would end the process if JetStream does not start.
type serverLog struct {
	log   *slog.Logger
	fatal chan string

	broken chan string // the first error after which the store accepts nothing more until it is opened again

	mu     sync.Mutex
	warned time.Time    // when a cut was last logged
	cuts   int          // since then
	named  chan cutConn // for the gate, which finds out their consumers; nil without a gate

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

// cutEvery is the interval of warnings about connections that were cut.
const cutEvery = time.Minute

// cut has a connection logged that was cut because it did not read what it was sent: the first, then one every cutEvery with the number
// of those in between. The server holds locks meanwhile, so it must not be asked for more here.
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

// cutConn is a connection that the server cut.
type cutConn struct {
	text string // as the server names it, with its address and its name
	cut  int    // connections cut since the last warning, including this one
}

// warnOfCut logs that a connection was cut because it did not read what it was sent.
func (c cutConn) warnOfCut(l *serverLog, consumers string) {
	l.log.Warn("a consumer's connection was cut: it did not read what it had asked for", "connection", c.text, "consumers", consumers, "cut", c.cut)
}

func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") || strings.HasPrefix(format, "Maximum payloads over") {
		return // passwords are random or the operator's own, and so is the payload's size
	}
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Producer was stalled") {
		return // the gate, because of a slow reader
	}
	l.log.Warn("embedded NATS: " + text)
}

func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if ofClient.MatchString(text) { // it may contain any text of the client's
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

// failed returns the server's fatal error, if any.
func (l *serverLog) failed() error {
	select {
	case reason := <-l.fatal:
		return fmt.Errorf("embedded NATS server: %s", reason)
	default:
		return nil
	}
}

// startTimeout is long: recovery of a full stream after a power cut reads every block of it.
const startTimeout = 2 * time.Minute

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
				// A server with accounts leaves JetStream disabled for the global one, which holds the streams.
				if s.GlobalAccount().JetStreamEnabled() {
					return nil
				}
				return s.GlobalAccount().EnableJetStream(nil, nil)
			}
		}
	}
}

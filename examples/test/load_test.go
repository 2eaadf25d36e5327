package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// load sends a CRM's callbacks until it is stopped. It repeats each until it is answered, repeats some that were answered, and sends some
// late, after callbacks about newer changes.
type load struct {
	url    string
	crm    *crm
	random *rand.Rand
	quit   chan struct{}
	ended  chan struct{}
	sent   [][]byte // the last of them
	late   [][]byte // not sent yet

	mu       sync.Mutex
	answered []answered
}

// answered is an event that a 200 has acknowledged.
type answered struct {
	ID, Subject string
	Sequence    uint64
}

// startLoad changes records of a CRM, and sends its callbacks to a bridge.
func startLoad(t *testing.T, b *bridge, random *rand.Rand) *load {
	l := &load{url: b.callbacks + "/zoho/notifications", crm: b.crm, random: random, quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		pace := time.NewTicker(4 * time.Millisecond) // for a few thousand events a test, however fast the disk is
		defer pace.Stop()
		for {
			body := l.next(t)
			for !l.post(t, body) {
				select {
				case <-pace.C:
				case <-l.quit:
					l.late = append(l.late, body)
					return
				}
			}
			select {
			case <-pace.C:
			case <-l.quit:
				return
			}
		}
	}()
	t.Cleanup(l.stop)
	return l
}

// next returns a callback: about a new change, one that was late, or one that was sent before.
func (l *load) next(t *testing.T) []byte {
	if len(l.sent) > 0 && l.random.IntN(10) == 0 {
		return l.sent[l.random.IntN(len(l.sent))]
	}
	if len(l.late) > 0 && l.random.IntN(4) == 0 {
		return l.sends(l.late[0], l.late[1:])
	}
	for {
		body := l.crm.change(t, l.random)
		if l.random.IntN(5) > 0 {
			return l.sends(body, l.late)
		}
		l.late = append(l.late, body)
		l.random.Shuffle(len(l.late), func(i, j int) { l.late[i], l.late[j] = l.late[j], l.late[i] })
	}
}

// sends notes that a callback is sent, and which ones are not yet.
func (l *load) sends(body []byte, late [][]byte) []byte {
	l.late = late
	if l.sent = append(l.sent, body); len(l.sent) > 200 {
		l.sent = l.sent[1:]
	}
	return body
}

// finish stops the load, and sends what is late.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.stop()
	for _, body := range l.late {
		until(t, 30*time.Second, func() string { return "a late callback is not answered" }, func() bool { return l.post(t, body) })
	}
	l.late = nil
}

var client = &http.Client{Timeout: 20 * time.Second}

// post sends one callback, and reports whether it was answered.
func (l *load) post(t *testing.T, body []byte) bool {
	response, err := client.Post(l.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	var got struct {
		Events []struct {
			ID, Subject string
			Sequence    uint64
		}
	}
	if err := json.Unmarshal(text, &got); err != nil || response.StatusCode != http.StatusOK || len(got.Events) == 0 {
		t.Errorf("answered with %d %s", response.StatusCode, text)
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range got.Events {
		l.answered = append(l.answered, answered(e))
	}
	return true
}

// soFar returns the events that were acknowledged so far.
func (l *load) soFar() []answered {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered[:len(l.answered):len(l.answered)]
}

// more waits until n more callbacks have been answered.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	want := len(l.soFar()) + n
	until(t, 60*time.Second, func() string { return fmt.Sprintf("%d callbacks answered of %d", len(l.soFar()), want) }, func() bool { return len(l.soFar()) >= want })
}

// stop ends the load.
func (l *load) stop() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	<-l.ended
}

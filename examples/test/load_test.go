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

// load is a CRM that sends callbacks until it is stopped. It repeats each until it is answered, repeats some that were answered, and
// sends some late: about a change that precedes one that it has reported.
type load struct {
	url    string
	random *rand.Rand
	quit   chan struct{}
	ended  chan struct{}

	mu       sync.Mutex
	answered []answered
}

// answered is an event that a 200 has acknowledged.
type answered struct {
	ID, Subject string
	Sequence    uint64
}

// startLoad sends callbacks to a bridge.
func startLoad(t *testing.T, url string, random *rand.Rand) *load {
	l := &load{url: url + "/zoho/notifications", random: random, quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		pace := time.NewTicker(4 * time.Millisecond) // for a few thousand events a test, however fast the disk is
		defer pace.Stop()
		var sent [][]byte
		for n := 1; ; n++ {
			body := l.body(n)
			if len(sent) > 0 && random.IntN(10) == 0 {
				body = sent[random.IntN(len(sent))]
			}
			if sent = append(sent, body); len(sent) > 200 {
				sent = sent[1:]
			}
			for !l.post(t, body) {
				select {
				case <-pace.C:
				case <-l.quit:
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

var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// body is a notification of Zoho CRM; no two changes have the same time.
func (l *load) body(n int) []byte {
	pick := func(of ...string) string { return of[l.random.IntN(len(of))] }
	module, operation := pick("Deals", "Deals", "Deals", "Deals", "Contacts"), pick("update", "update", "update", "update", "update", "insert", "delete")
	late := 0
	if l.random.IntN(4) == 0 {
		late = l.random.IntN(400)
	}
	at := begin.Add(time.Duration(n-late)*time.Second + time.Duration(n%1000)*time.Millisecond)
	ids, fields, values := []string{}, []map[string][]string{}, []map[string]any{}
	for first, i := l.random.IntN(40), 0; i < 1+l.random.IntN(2); i++ {
		id := fmt.Sprintf("57257677952920630%02d", (first+i)%40)
		ids = append(ids, id)
		changed, reported := []string{}, map[string]any{}
		for _, field := range []string{"Stage", "Amount", "Closing_Date", "Größe"} {
			if l.random.IntN(2) == 0 {
				continue
			}
			if changed = append(changed, field); l.random.IntN(5) > 0 {
				reported[field] = json.RawMessage(pick("null", `"<new> & ünïcode"`, `{"name":"Zoë","id":"5725767000000411001"}`, fmt.Sprintf("%d.10", n), "12345678901234567890.1234567890"))
			}
		}
		if fields = append(fields, map[string][]string{id: changed}); l.random.IntN(5) > 0 {
			values = append(values, map[string]any{"record_id": id, "values": reported})
		}
	}
	body, err := json.Marshal(map[string]any{
		"server_time": at.UnixMilli(), "module": module, "operation": operation, "ids": ids, "affected_fields": fields, "affected_values": values,
		"resource_uri": "https://www.zohoapis.com/crm/v2/" + module, "query_params": map[string]string{}, "channel_id": "1000000068001", "token": token,
	})
	if err != nil {
		panic(err)
	}
	return body
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
	if err := json.Unmarshal(text, &got); err != nil || response.StatusCode != http.StatusOK || len(got.Events) != 1 {
		t.Errorf("answered with %d %s", response.StatusCode, text)
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered = append(l.answered, answered(got.Events[0]))
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

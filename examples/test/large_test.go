package test

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The examples read a stream in which one event in ten has a megabyte, beside a bridge that keeps records and so reads it too, and their
// connections are never cut.
func TestExamplesReadLargeEvents(t *testing.T) {
	const events = 2000
	b := startBridge(t, startCRM(t))
	numbers := make(chan int)
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for n := range numbers {
				padding := ""
				if n%20 == 7 || n >= 1000 && n < 1100 { // half of them in a row
					padding = strings.Repeat("x", 1_000_000)
				}
				body := fmt.Sprintf(`{"module":"Deals","resource_uri":"https://www.zohoapis.com/crm/v8/Deals","ids":["5725767000003%06d"],"operation":"update","channel_id":"1000","token":%q,"server_time":%d,"padding":%q}`,
					n, token, time.Now().UnixMilli(), padding)
				answer, err := http.Post(b.callbacks+"/zoho/notifications", "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					continue
				}
				if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
					t.Errorf("callback %d: %s", n, answer.Status)
				}
			}
		})
	}
	for n := range events {
		numbers <- n
	}
	close(numbers)
	senders.Wait()
	inGo := newConsumer(t, b, "deals-go", filepath.Join(programs, "go-consumer"))
	inJS := newConsumer(t, b, "deals-js", "node", "../js-consumer/consumer.mjs")
	for _, c := range []*consumer{inGo, inJS} {
		c.start(t)
		begun := time.Now()
		until(t, 60*time.Second, c.said.String, func() bool { return len(c.handled(t)) == events })
		t.Logf("%s has handled %d events in %s", c.name, events, time.Since(begun).Round(time.Millisecond))
		for id, times := range c.handled(t) {
			if times != 1 {
				t.Errorf("%s has handled %s %d times", c.name, id, times)
			}
		}
		if said := string(c.said.from(0)); strings.Contains(said, "known") || strings.Contains(said, "waiting") {
			t.Errorf("%s got an event twice, or lost its connection:\n%.2000s", c.name, said)
		}
	}
	for line := range bytes.Lines(b.said.from(0)) {
		if bytes.Contains(line, []byte("was cut")) {
			t.Errorf("a connection was cut: %s", line)
		}
	}
}

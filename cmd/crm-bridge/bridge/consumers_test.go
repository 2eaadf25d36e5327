package bridge

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// The question before a list is cleared says how many messages that removes, also those that are not shown, and what the consumer gives up on later stays.
func TestClearSaysWhatItRemoves(t *testing.T) {
	b, callbacks := runs(t, &ingest.CRM{Provider: "zoho", Sources: []ingest.Source{batches{&atomic.Bool{}}}})
	conn, err := b.Store.Reach()
	if err != nil {
		t.Fatal(err)
	}
	billing, err := conn.JetStream().CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing", MaxAckPending: -1})
	if err != nil {
		t.Fatal(err)
	}
	giveUp := func(n int) {
		t.Helper()
		answer, err := http.Post(callbacks+"/acme/webhooks", "application/json", bytes.NewReader([]byte("["+strings.Join(slices.Repeat([]string{"2"}, n), ",")+"]")))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		for range n {
			m, err := billing.Next(jetstream.FetchMaxWait(5 * time.Second))
			if err == nil {
				err = m.Term()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	view := b.Store.Consumers
	given := func(n int) []consumers.Listed {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if all, err := view.Dead.Of(t.Context(), "CRM", "billing"); err == nil && len(all) == n {
				return all
			}
		}
		t.Fatalf("it has not given up on %d", n)
		return nil
	}
	const many = consumers.MaxDead + 5
	giveUp(many)
	if err := view.Dead.Replayed(t.Context(), given(many)[:2], time.Now()); err != nil {
		t.Fatal(err)
	}
	listed, err := view.Dead.List(t.Context(), "CRM", "billing")
	if err != nil {
		t.Fatal(err)
	}
	upto := listed[len(listed)-1].At
	giveUp(3) // before it is confirmed
	given(many + 3)
	routes := (&consumerRoutes{view, b.Log}).routes()
	says := func(dryRun bool, want string) {
		t.Helper()
		query := url.Values{"stream": {"CRM"}, "name": {"billing"}, "upto": {upto.Format(time.RFC3339Nano)}, "dry-run": {strconv.FormatBool(dryRun)}}
		answer := httptest.NewRecorder()
		routes["POST /consumers/dead/clear"](answer, httptest.NewRequest(http.MethodPost, "/consumers/dead/clear?"+query.Encode(), nil))
		if got := strings.TrimSpace(answer.Body.String()); got != want {
			t.Errorf("dry run %t: it says %s, not %s", dryRun, got, want)
		}
	}
	says(true, fmt.Sprintf(`{"consumer":"billing","cleared":%d,"notReplayed":%d}`, many, many-2))
	given(many + 3)
	says(false, fmt.Sprintf(`{"consumer":"billing","cleared":%d}`, many))
	given(3)
}

package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// unlisted is a CRM whose subscription is alive, and that cannot list what changed in its module; and a source that has a secret.
type unlisted struct{ unsure }

func (unlisted) Secrets() ingest.Secrets {
	return ingest.Secrets{Values: []string{"a-long-secret-of-the-source"}}
}

func (unlisted) Watch(context.Context, ingest.State, func(ingest.Gap) error) (ingest.Watched, error) {
	return ingest.Watched{Next: time.Now().Add(time.Hour), Channels: []ingest.Channel{
		{Provider: "acme", Account: "one", ID: "a", Modules: []string{"Deals"}, State: "active"},
		{Provider: "acme", Account: "one", ID: "b", Modules: []string{"Leads"}, State: "active"},
	}}, nil
}

func (unlisted) Changed(context.Context, ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		yield(ingest.Page{}, fmt.Errorf("acme has no list: %w", ingest.ErrNoList))
	}
}

// reported asks the admin address for the report, with a token, and returns it and how long that took.
func reported(t *testing.T, b *Bridge, token string) (r status.Report, code int, took time.Duration) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+Reachable(b.Admin)+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(AdminHeader, token)
	began := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r, answer.StatusCode, time.Since(began)
}

func tokenOf(t *testing.T, b *Bridge) string {
	t.Helper()
	token, err := b.data.Secret(datadir.AdminSecret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A gap that the CRM cannot list is reported as lost, once for the modules that it has, and needs a person.
func TestStatusOfALostGap(t *testing.T) {
	t.Parallel()
	source := unlisted{}
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}, Watcher: source, Lister: source, Settle: time.Millisecond})
	token := tokenOf(t, b)
	var r status.Report
	wait := func(until func() bool) {
		t.Helper()
		for end := time.Now().Add(40 * time.Second); !until(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the report is %+v", r)
			}
			r, _, _ = reported(t, b, token)
		}
	}
	wait(func() bool { return len(r.Channels) == 2 })
	if len(r.Problems) > 0 {
		t.Errorf("a healthy bridge has %+v", r.Problems)
	}
	b.Keeper.Missed("acme", "one", time.Now())
	wait(func() bool {
		return len(r.Gaps) == 1 && len(r.Gaps[0].Modules) == 2 && r.Gaps[0].State == status.GapLost
	})
	if len(r.Problems) != 1 {
		t.Fatalf("the problems are %+v", r.Problems)
	}
	if text := r.Problems[0].What; !strings.HasPrefix(text, "Changes of Deals, Leads from ") || !strings.Contains(text, "acme has no list") || r.Problems[0].Where != "gap of acme, account one" {
		t.Errorf("the problem is %+v", r.Problems[0])
	}
	if r.Gaps[0].Closed == nil || r.Gaps[0].Cause != "callbacks were refused" {
		t.Errorf("the gaps are %+v", r.Gaps)
	}
}

// The report is the bridge's own user's alone.
func TestStatusIsForTheOwner(t *testing.T) {
	t.Parallel()
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{unlisted{}}})
	if r, code, _ := reported(t, b, "another-token"); code != http.StatusUnauthorized || r.Version != "" {
		t.Errorf("with another token it is answered %d %+v", code, r)
	}
}

// With 10,000 subjects, and more events, the report takes less than 100 ms: no stream is scanned for it.
func TestStatusOfManySubjects(t *testing.T) {
	t.Parallel()
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{unlisted{}}})
	for i := range 100 {
		events := make([]publish.Event, 100)
		for j := range events {
			events[j] = publish.Event{Event: cloudevent.Event{
				ID: fmt.Sprintf("%d-%d", i, j), Type: fmt.Sprintf("crm.acme.Module%dx%d.edit", i, j), Source: "https://acme.example", Data: []byte(`{}`),
			}}
		}
		if _, err := b.Store.Publish(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
	}
	token, best := tokenOf(t, b), time.Hour
	var r status.Report
	for range 5 {
		var took time.Duration
		r, _, took = reported(t, b, token)
		best = min(best, took)
	}
	t.Logf("the report took %s", best)
	if r.Streams[0].Messages != 10000 || best > 100*time.Millisecond {
		t.Errorf("after %d events the report took %s", r.Streams[0].Messages, best)
	}
}

package receive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// batches is a source of batches: a body is words, each a part. "bad…" is malformed, "theirs" is of an account that is not configured,
// and anything else is a record.
type batches struct{ plain }

func (batches) Decode(cb ingest.Callback) (changes []ingest.Change, err error) {
	var bad ingest.Partly
	for part := range strings.FieldsSeq(string(cb.Body)) {
		switch {
		case strings.HasPrefix(part, "bad"):
			bad = append(bad, ingest.Part{Body: []byte(part), Reason: fmt.Errorf("%w: %s", ingest.ErrMalformed, part)})
		case part != "theirs":
			changes = append(changes, ingest.Change{Module: "Deals", Operation: "edit", IDs: []string{part}, Alone: []byte(part)})
		}
	}
	switch {
	case len(bad) > 0:
		return changes, bad
	case len(changes) == 0:
		return nil, fmt.Errorf("all of it is %w", ingest.ErrIgnored)
	}
	return changes, nil
}

// forgiving are batches of a CRM that would punish a 400.
type forgiving struct{ batches }

func (forgiving) ForgivesQuarantined() {}

// books are what was accepted and quarantined.
type books struct {
	mu             sync.Mutex
	accepted, kept []string
	full           string // a part that quarantine has no room for
}

func (b *books) accept(_ context.Context, changes []ingest.Change) (acks []ingest.Ack, err error) {
	for _, change := range changes {
		if change.IDs[0] == "invalid" {
			return nil, fmt.Errorf("%w: the event is not valid", ingest.ErrMalformed)
		}
	}
	for _, change := range changes {
		b.accepted = append(b.accepted, change.IDs[0])
		acks = append(acks, ingest.Ack{ID: change.IDs[0], Subject: "crm.plain.Deals.edit", Stream: "CRM", Sequence: 1})
	}
	return acks, nil
}

func (b *books) quarantine(_ context.Context, cb ingest.Callback, _ error) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if string(cb.Body) == b.full {
		return "", errors.New("quarantine is full")
	}
	if string(cb.Body) == "bad-panic" {
		panic("a bug")
	}
	b.kept = append(b.kept, string(cb.Body))
	return "q-" + string(cb.Body), nil
}

// reply is an answer, of a 200 or of a problem document.
type reply struct {
	Status      int
	Events      []struct{ ID string }
	Quarantined []struct{ QuarantineID, Detail string }

	QuarantineID, Detail string
}

// Of a batch the good parts are published and each bad one is in quarantine alone. Parts of foreign accounts count nowhere.
func TestBatches(t *testing.T) {
	many := strings.TrimSpace(strings.Repeat("bad ", 201))
	for _, test := range []struct {
		name, body     string
		source         ingest.Source
		full           string
		status         int
		accepted, kept []string
		outcome, says  string
	}{
		{"all good", "1 2", batches{}, "", 200, []string{"1", "2"}, nil, "accepted", "callback accepted"},
		{"good in part", "1 bad1 2 bad2", batches{}, "", 200, []string{"1", "2"}, []string{"bad1", "bad2"}, "accepted", "callback accepted in part"},
		{"all bad", "bad1 bad2", batches{}, "", 400, nil, []string{"bad1", "bad2"}, "malformed", "callback quarantined"},
		{"all bad, and a 400 is punished", "bad1 bad2", forgiving{}, "", 200, nil, []string{"bad1", "bad2"}, "malformed", "callback quarantined"},
		{"one that is not a valid event", "1 invalid 2", batches{}, "", 200, []string{"1", "2"}, []string{"invalid"}, "accepted", "callback accepted in part"},
		{"nothing is a valid event", "invalid invalid", forgiving{}, "", 200, nil, []string{"invalid", "invalid"}, "malformed", "callback quarantined"},
		{"its only event is not valid, the rest is bad", "bad1 invalid", forgiving{}, "", 200, nil, []string{"bad1", "invalid"}, "malformed", "callback quarantined"},
		{"its only event is not valid, the rest foreign", "theirs invalid", forgiving{}, "", 200, nil, []string{"invalid"}, "malformed", "callback quarantined"},
		{"more bad parts than are kept apart", many + " 1", forgiving{}, "", 200, nil, []string{many + " 1"}, "malformed", "callback quarantined"},
		{"no room for one bad part", "1 bad1 bad2", forgiving{}, "bad2", 503, []string{"1"}, []string{"bad1"}, "retry", "callback failed"},
		{"keeping one panics", "1 bad1 bad-panic", forgiving{}, "", 503, []string{"1"}, []string{"bad1"}, "retry", "callback failed"},
		{"partly foreign", "1 theirs", batches{}, "", 200, []string{"1"}, nil, "accepted", "callback accepted"},
		{"partly foreign, the rest bad", "theirs bad1", batches{}, "", 400, nil, []string{"bad1"}, "malformed", "callback quarantined"},
		{"all foreign", "theirs theirs", batches{}, "", 200, nil, nil, "ignored", "callback ignored"},
	} {
		t.Run(test.name, func(t *testing.T) {
			books := &books{full: test.full}
			b := open(func(h *receive.Handler) {
				h.Sources, h.Accept, h.Quarantine, h.MaxBody = []ingest.Source{test.source}, books.accept, books.quarantine, 10_000
			})
			response := b.post(test.body)
			var got reply
			if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			slices.Sort(books.kept)
			if diff := cmp.Diff(test.accepted, books.accepted) + cmp.Diff(test.kept, books.kept); diff != "" || response.Code != test.status {
				t.Errorf("answered %d: %s", response.Code, diff)
			}
			checkReply(t, got, test.status, test.accepted, test.kept)
			want := fmt.Sprintf("# HELP crm_bridge_callbacks_total Callbacks answered, by outcome.\n# TYPE crm_bridge_callbacks_total counter\ncrm_bridge_callbacks_total{outcome=%q,source=\"plain\"} 1\n", test.outcome) +
				fmt.Sprintf("# HELP crm_bridge_quarantined_total Authenticated callbacks, and parts of batches, that could not be parsed and are in quarantine.\n# TYPE crm_bridge_quarantined_total counter\ncrm_bridge_quarantined_total{source=\"plain\"} %d\n", len(test.kept))
			if err := testutil.GatherAndCompare(b.registry, strings.NewReader(want), "crm_bridge_callbacks_total", "crm_bridge_quarantined_total"); err != nil {
				t.Error(err)
			}
			if log := b.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, test.says) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// checkReply checks what an answer says of the events and of what is in quarantine: a 503 names neither.
func checkReply(t *testing.T, got reply, status int, accepted, kept []string) {
	t.Helper()
	if status == http.StatusServiceUnavailable {
		accepted, kept = nil, nil
	}
	var events []string
	for _, event := range got.Events {
		events = append(events, event.ID)
	}
	var ids []string
	for _, one := range got.Quarantined {
		if ids = append(ids, strings.TrimPrefix(one.QuarantineID, "q-")); one.Detail == "" {
			t.Error("it does not say what is wrong with a part")
		}
	}
	if len(accepted) == 0 && len(kept) == 1 { // a problem document of one
		if ids = []string{strings.TrimPrefix(got.QuarantineID, "q-")}; got.Detail == "" {
			t.Error("it does not say what is wrong")
		}
	}
	if diff := cmp.Diff(accepted, events) + cmp.Diff(kept, ids); diff != "" {
		t.Error(diff)
	}
	if isProblem := status >= 400 || len(accepted) == 0 && len(kept) > 0; isProblem != (got.Status != 0) {
		t.Errorf("a problem document: %+v", got)
	}
}

// What could not be made safe of a batch is repeated by the CRM, also where it forgives what is in quarantine.
func TestBatchThatIsNotSafe(t *testing.T) {
	books := &books{}
	b := open(func(h *receive.Handler) {
		h.Sources, h.Quarantine = []ingest.Source{forgiving{}}, books.quarantine
		h.Accept = func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return nil, ingest.ErrRetry }
	})
	if response := b.post("1 bad1"); response.Code != 503 || books.kept != nil {
		t.Errorf("answered %d, in quarantine are %q", response.Code, books.kept)
	}
}

// A Partly without parts is a malformed callback, and not an accepted one.
func TestPartlyWithoutParts(t *testing.T) {
	b := open(func(h *receive.Handler) { h.Sources = []ingest.Source{empty{}} })
	if response := b.post("x"); response.Code != 400 || !strings.Contains(response.Body.String(), `"quarantineId":"q1"`) {
		t.Errorf("answered %d: %s", response.Code, response.Body)
	}
}

// empty is a source with a bug.
type empty struct{ plain }

func (empty) Decode(ingest.Callback) ([]ingest.Change, error) { return nil, ingest.Partly{} }

// The URI is what the sender wrote, as signatures cover it.
func TestURI(t *testing.T) {
	for target, want := range map[string]string{
		"/plain/De%61ls?b=%7E&a=1&&": "/plain/De%61ls?b=%7E&a=1&&", "/plain/Deals": "/plain/Deals", "/plain/Deals?": "/plain/Deals?",
	} {
		seen := ""
		b := open(func(h *receive.Handler) { h.Sources = []ingest.Source{uris{seen: &seen}} })
		server := httptest.NewServer(b.HTTP())
		response, err := http.Post(server.URL+target, "", strings.NewReader("ok"))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if server.Close(); response.StatusCode != 200 || seen != want {
			t.Errorf("%s became %s, answered %s", target, seen, response.Status)
		}
	}
}

// uris is a source that notes the URI of a callback.
type uris struct {
	plain
	seen *string
}

func (u uris) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	*u.seen = cb.URI
	return u.plain.Decode(cb)
}

package hubspot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot/hubspottest"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// taker accepts what is valid, as the bridge does.
type taker struct {
	events func(ingest.Change) ([]cloudevent.Event, error)
	fail   int // of the next batches
	taken  []ingest.Change
	gaps   []ingest.Gap
	marked map[string]int
}

func (k *taker) accept(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	if k.fail > 0 {
		k.fail--
		return nil, ingest.ErrRetry
	}
	for _, change := range changes {
		if _, err := k.events(change); err != nil {
			return nil, err
		}
		if strings.Contains(string(change.NativeBody), "unacceptable") {
			return nil, fmt.Errorf("%w: unacceptable", ingest.ErrMalformed)
		}
	}
	if k.marked == nil {
		k.marked = map[string]int{}
	}
	for _, change := range changes {
		k.marked[change.Mark]++
	}
	k.taken = append(k.taken, changes...)
	return make([]ingest.Ack, len(changes)), nil
}

func (k *taker) note(gap ingest.Gap) error {
	k.gaps = append(k.gaps, gap)
	return nil
}

// subscribed is HubSpot with the journal's subscriptions made.
func subscribed(t *testing.T, crm *hubspottest.CRM, more ...func(*hubspot.Config)) (*ingest.CRM, ingest.State, *taker) {
	t.Helper()
	opened, state := connected(t, crm, more...)
	k := &taker{events: mapping(t).Events}
	if _, err := opened.Watcher.Watch(t.Context(), state, k.note); err != nil {
		t.Fatal(err)
	}
	return opened, state, k
}

// What changes in a portal is read from the journal once, in order, with the properties that changed; an empty journal is no error.
func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		drain := func() {
			t.Helper()
			if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
				t.Fatal(err)
			}
		}
		drain()
		deal := crm.Create("deals", "0-3", map[string]string{"amount": "1"})
		crm.Update("deals", "0-3", deal, map[string]string{"amount": "2", "dealstage": "closedwon", "hs_diagnosis": "REDACTED"})
		crm.Publish()
		crm.Archive("deals", "0-3", deal)
		crm.Publish(map[string]any{"type": "association", "portalId": 44001122, "occurredAt": "2026-11-20T09:15:02.418Z", "action": "ASSOCIATION_ADDED", "fromObjectTypeId": "0-1", "fromObjectId": 7, "toObjectTypeId": "0-2", "toObjectId": 8},
			map[string]any{"type": "appLifecycleEvent", "portalId": 44001122, "occurredAt": 1796040000123, "action": "APP_UNINSTALL"},
			map[string]any{"type": "crmObject", "portalId": 666, "action": "CREATE", "objectTypeId": "0-1", "objectId": 9})
		drain()
		drain()
		var got []string
		for _, change := range k.taken {
			got = append(got, fmt.Sprint(change.Module, ".", change.Operation, " ", change.IDs, " ", change.Fields[deal], " ", string(change.Values[deal]), " ", len(change.Mark) > 30))
		}
		want := []string{
			"deal.create [" + deal + "] []  true", "deal.edit [" + deal + `] [amount dealstage hs_diagnosis] {"amount":"2","dealstage":"closedwon"} true`,
			"deal.delete [" + deal + "] []  true", "contact.associationChange [7] []  true", "appLifecycleEvent.appUninstall [] []  true",
		}
		if !slices.Equal(got, want) || len(k.gaps) > 0 {
			t.Errorf("%q, gaps %v", got, k.gaps)
		}
	})
}

// A file is read again from where its events were safe, under the same marks: nothing is lost, also where the store fails or the process dies.
func TestJournalResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		for range 1200 {
			crm.Create("contacts", "0-1", map[string]string{"email": "a@example.com"})
		}
		crm.Publish()
		k.fail = 1
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); !errors.Is(err, ingest.ErrRetry) || len(k.taken) > 0 {
			t.Fatalf("%d events, %v", len(k.taken), err)
		}
		died := errors.New("killed")
		first := true
		dying := func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			if !first {
				return nil, died
			}
			first = false
			return k.accept(ctx, changes)
		}
		if err := opened.Drainer.Drain(t.Context(), state, dying, k.note); !errors.Is(err, died) || len(k.taken) != 500 {
			t.Fatalf("%d events, %v", len(k.taken), err)
		}
		again, _ := connected(t, crm)
		if err := again.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
			t.Fatal(err)
		}
		if len(k.taken) != 1200 || len(k.marked) != 1200 {
			t.Errorf("%d events with %d marks, not 1200", len(k.taken), len(k.marked))
		}
	})
}

// An event that is malformed or rejected permanently, and a file that cannot be read, are logged and do not hold up what follows. What
// the file held is a gap.
func TestJournalGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		var log bytes.Buffer
		hubspot.SetLog(opened, slog.New(slog.NewTextHandler(&log, nil)))
		one := func(id any) any {
			return map[string]any{"type": "crmObject", "portalId": 44001122, "occurredAt": "2026-11-20T09:15:02.418Z", "action": "CREATE", "objectTypeId": "0-1", "objectId": id}
		}
		crm.Publish(one(1), "not an event", one("${id}"), one("unacceptable"), one(nil), one(2))
		crm.PublishFile("neither a file")
		crm.PublishFile(strings.Repeat("x", 17<<20))
		crm.Publish(one(3))
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
			t.Fatal(err)
		}
		if got := records(k.taken); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("accepted %v", got)
		}
		if bad, rejected, files := strings.Count(log.String(), "malformed and left out"), strings.Count(log.String(), "rejected permanently"), strings.Count(log.String(), "is skipped"); bad != 3 || rejected != 1 || files != 2 {
			t.Errorf("logged %d, %d and %d: %s", bad, rejected, files, log.String())
		}
		if len(k.gaps) != 4 { // two files, two objects
			t.Errorf("gaps %v", k.gaps)
		}
	})
}

// After more than three days without a bridge the journal no longer has the offset: the time since is a gap of each object, and reading goes
// on at the earliest file.
func TestJournalLosesFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		make1 := func() {
			crm.Create("contacts", "0-1", map[string]string{"email": "a@example.com"})
			crm.Publish()
		}
		make1()
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
			t.Fatal(err)
		}
		read := time.Now()
		time.Sleep(time.Hour)
		make1()
		time.Sleep(80 * time.Hour)
		earliest := time.Now()
		make1()
		make1()
		crm.Expire(2)
		time.Sleep(time.Hour)
		for range 2 {
			if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
				t.Fatal(err)
			}
		}
		if len(k.taken) != 3 || len(k.gaps) != 2 || k.gaps[0].Module != "deal" || k.gaps[1].Module != "contact" || k.gaps[1].Account != "44001122" {
			t.Fatalf("%d events, gaps %v", len(k.taken), k.gaps)
		}
		if gap := k.gaps[1]; gap.Since.After(read) || gap.Since.Before(read.Add(-time.Hour)) || gap.Until.Before(earliest) || gap.Until.After(earliest.Add(time.Second)) {
			t.Errorf("gap %v, read until %s, the earliest is of %s", gap, read, earliest)
		}
		crm.Expire(2)
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil || len(k.gaps) != 4 {
			t.Errorf("an empty journal: %v, gaps %v", err, k.gaps)
		}
		make1()
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil || len(k.taken) != 4 || len(k.gaps) != 4 {
			t.Errorf("after it: %v, %d events, gaps %v", err, len(k.taken), k.gaps)
		}
	})
}

// An access token that ends is renewed; a wrong client is an error that shows no secret.
func TestAppToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		crm.RevokeToken()
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
			t.Error(err)
		}
		echo := hubspottest.Failure{Status: http.StatusForbidden, Body: `{"category":"MISSING_SCOPES","message":"of ` + secret + " and " + accessToken + `"}`}
		crm.Fail(echo)
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err == nil || !strings.Contains(err.Error(), "of *** and ***") {
			t.Errorf("secrets of another request: %v", err)
		}
		crm.ClientSecret = "another"
		crm.RevokeToken()
		err := errors.Join(opened.Drainer.Drain(t.Context(), state, k.accept, k.note), opened.Reach(t.Context()))
		if err == nil || !strings.Contains(err.Error(), "BAD_CLIENT_ID") || strings.Contains(err.Error(), secret) {
			t.Error(err)
		}
	})
}

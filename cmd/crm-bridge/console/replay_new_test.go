package console

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// What is stored after it was counted is not replayed: the job has the bound of the count.
func TestReplaysWhatWasCounted(t *testing.T) {
	var counted, started replay.Order
	pages := ReplayPages{
		Prefix: "crm",
		Count: func(_ context.Context, o replay.Order) ([]replay.SubjectCount, bool, error) {
			counted = o
			return []replay.SubjectCount{{Subject: "crm.acme.Deals.edit", Events: 2}}, true, nil
		},
		Start: func(_ context.Context, o replay.Order) (string, error) {
			started = o
			return o.Name, nil
		},
	}
	form := url.Values{"target": {replay.ToSubject}}
	if _, err := pages.askStart(t.Context(), form); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pages.start(t.Context(), form); err != nil {
		t.Fatal(err)
	}
	if counted.Until.IsZero() || !started.Until.Equal(counted.Until) {
		t.Errorf("counted until %v, replayed until %v", counted.Until, started.Until)
	}
}

// A job that the operator does not name has its name before it is confirmed: confirmed twice, it is one job.
func TestConfirmedTwiceIsOneJob(t *testing.T) {
	var started []string
	pages := ReplayPages{
		Prefix: "crm",
		Count: func(context.Context, replay.Order) ([]replay.SubjectCount, bool, error) {
			return []replay.SubjectCount{{Subject: "crm.acme.Deals.edit", Events: 3}}, true, nil
		},
		Start: func(_ context.Context, o replay.Order) (string, error) {
			started = append(started, o.Name)
			return o.Name, nil
		},
	}
	form := url.Values{"target": {replay.ToSubject}}
	asked, err := pages.askStart(t.Context(), form)
	name := form.Get("name")
	if err != nil || !replay.ValidName(name) || !strings.Contains(asked.Text, "to crm-replay."+name+".>?") || strings.Contains(asked.Back, name) {
		t.Fatalf("%+v with %v: %v", asked, form, err)
	}
	for range 2 {
		if _, _, err := pages.start(t.Context(), form); err != nil {
			t.Fatal(err)
		}
	}
	if len(started) != 2 || started[0] != name || started[1] != name {
		t.Errorf("started %q, not %q", started, name)
	}
	again := url.Values{"target": {replay.ToSubject}}
	if _, err := pages.askStart(t.Context(), again); err != nil || again.Get("name") == name {
		t.Errorf("another one is %v: %v", again, err)
	}
}

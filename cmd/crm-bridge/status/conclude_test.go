package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// What needs a person is found wherever in a long list it is, and is listed first; the report says how many are not listed.
func TestWhatIsCutWasJudged(t *testing.T) {
	const all = 2 * status.MaxListed
	r := well()
	r.Channels, r.Gaps, r.Consumers, r.Dead = nil, nil, nil, nil
	for i := range all {
		name := fmt.Sprintf("%04d", i)
		channel := status.Channel{Channel: ingest.Channel{Provider: "zoho", Account: "default", ID: name, Modules: []string{"Deals"}, State: "active", Expires: now.Add(24 * time.Hour)}}
		gap := status.Gap{Provider: "zoho", Account: name, Modules: []string{"Deals"}, State: status.GapRepaired, Noted: *before(2 * time.Hour), Closed: before(time.Duration(i) * time.Second)}
		consumer := consumers.Consumer{Stream: "CRM", Name: name, Durable: true}
		if i == all-1 {
			channel.Expires, gap.State, consumer.Dead = now.Add(-time.Minute), status.GapLost, 3
			r.Dead = append(r.Dead, consumers.Count{Stream: "CRM", Consumer: name, Dead: 3})
		}
		r.Channels, r.Gaps, r.Consumers = append(r.Channels, channel), append(r.Gaps, gap), append(r.Consumers, consumer)
	}
	r.Conclude()
	var where []string
	for _, one := range r.Problems {
		where = append(where, one.Where)
	}
	if got, want := strings.Join(where, "; "), "channel 0999 of zoho, account default; gap of zoho, account 0999; consumer 0999 of stream CRM"; got != want {
		t.Errorf("problems are at %s, not at %s", got, want)
	}
	if len(r.Channels) != status.MaxListed || r.MoreChannels != all-status.MaxListed || r.Channels[0].ID != "0999" {
		t.Errorf("%d channels are listed, %d are not, the first is %s", len(r.Channels), r.MoreChannels, r.Channels[0].ID)
	}
	if len(r.Gaps) != status.MaxListed || r.MoreGaps != all-status.MaxListed {
		t.Errorf("%d gaps are listed, %d are not", len(r.Gaps), r.MoreGaps)
	}
	if len(r.Consumers) != status.MaxListed || r.MoreConsumers != all-status.MaxListed || r.Consumers[0].Name != "0999" {
		t.Errorf("%d consumers are listed, %d are not, the first is %s", len(r.Consumers), r.MoreConsumers, r.Consumers[0].Name)
	}
}

// A bridge whose every channel needs a person says how many there are, and lists the first.
func TestManyProblems(t *testing.T) {
	r := well()
	r.Channels[0].State = "lapsed"
	for range 2 * status.MaxListed {
		r.Channels = append(r.Channels, r.Channels[0])
	}
	r.Conclude()
	if len(r.Problems) != status.MaxListed || r.MoreProblems != status.MaxListed+1 {
		t.Fatalf("%d problems are listed, %d are not", len(r.Problems), r.MoreProblems)
	}
	var out strings.Builder
	if err := status.Show(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"1,001 problems need a person", "and 501 more, which are not listed", "and 993 more: crm-bridge channels"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the screen does not say %q", text)
		}
	}
}

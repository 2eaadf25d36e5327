package receive

import (
	"encoding/json"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// The answer has the bytes that encoding/json would write, whatever its texts are.
func FuzzAcceptedBody(f *testing.F) {
	f.Add("id", "crm.plain.Deals.edit", "CRM", uint64(7), false, uint8(1), uint8(0))
	f.Add("<&>\u2028\xff\x00\"\\", "crm.plain.Zoë.edit", "\n\t\x7f", uint64(1<<63), true, uint8(2), uint8(2))
	f.Add("", "", "", uint64(0), false, uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, id, subject, stream string, sequence uint64, duplicate bool, events, parts uint8) {
		acks, kept := []ingest.Ack{}, []quarantined(nil)
		for range events % 4 {
			acks = append(acks, ingest.Ack{ID: id, Subject: subject, Stream: stream, Sequence: sequence, Duplicate: duplicate})
		}
		for range parts % 4 {
			kept = append(kept, quarantined{id, subject})
		}
		want, err := json.Marshal(struct {
			Events      []ingest.Ack  `json:"events"`
			Quarantined []quarantined `json:"quarantined,omitempty"`
		}{acks, kept})
		if err != nil {
			t.Fatal(err)
		}
		if got := acceptedBody(acks, kept); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

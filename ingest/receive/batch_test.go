package receive_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// batch is a source whose callbacks are parts between spaces.
type batch struct{ plain }

func (batch) ForgivesQuarantined() {}

func (batch) Decode(cb ingest.Callback) (changes []ingest.Change, err error) {
	var bad ingest.Partly
	for part := range strings.FieldsSeq(string(cb.Body)) {
		if part == "malformed" {
			bad = append(bad, ingest.Part{Body: []byte(part), Reason: fmt.Errorf("%w: a part", ingest.ErrMalformed)})
			continue
		}
		changes = append(changes, ingest.Change{Module: "Deals", Operation: "edit", IDs: []string{part}, NativeBody: []byte(part)})
	}
	if bad != nil {
		return changes, bad
	}
	return changes, nil
}

// Of a batch the good parts are stored, and each part that is malformed, or makes no valid event, is quarantined by itself.
func TestBatchIsAcceptedInPart(t *testing.T) {
	for body, want := range map[string][2]string{ // stored and quarantined
		"a b":                   {"a b", ""},
		"a malformed b":         {"a b", "malformed"},
		"a invalid b malformed": {"a b", "malformed invalid"},
		"invalid invalid":       {"", "invalid invalid"},
		"malformed":             {"", "malformed"},
	} {
		var stored, kept []string
		b := open(func(h *receive.Handler) {
			h.Sources = []ingest.Source{batch{}}
			h.Accept = func(_ context.Context, changes []ingest.Change) (acks []ingest.Ack, err error) {
				for _, change := range changes {
					if change.IDs[0] == "invalid" {
						return nil, fmt.Errorf("%w: the event", ingest.ErrMalformed)
					}
				}
				for _, change := range changes {
					stored = append(stored, change.IDs[0])
					acks = append(acks, ingest.Ack{ID: change.IDs[0]})
				}
				return acks, nil
			}
			h.Quarantine = func(_ context.Context, cb ingest.Callback, _ error) (string, error) {
				kept = append(kept, string(cb.Body))
				return "q", nil
			}
		})
		answer := b.post(body)
		if got := [2]string{strings.Join(stored, " "), strings.Join(kept, " ")}; answer.Code != 200 || got != want {
			t.Errorf("%s: answered %d, stored and quarantined %q: %s", body, answer.Code, got, answer.Body)
		}
		if parts := strings.Count(answer.Body.String(), "quarantineId"); parts != len(strings.Fields(want[1])) && (want[0] != "" || parts != 1) {
			t.Errorf("%s: the answer names %d parts: %s", body, parts, answer.Body)
		}
	}
}

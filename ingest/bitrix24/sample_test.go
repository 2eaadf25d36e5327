package bitrix24_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
)

// A sample is decoded to the change that it was made of.
func TestSamples(t *testing.T) {
	at := time.Unix(1727018926, 0).UTC()
	for name, opener := range map[string]func(ingest.Setup) (ingest.Source, error){
		bitrix24.EventsLabel: openEvents, bitrix24.WorkflowsLabel: openWorkflows,
	} {
		s := open(t, opener)
		for _, want := range []ingest.Change{
			{Module: "Deal", Operation: "create", IDs: []string{"7405"}},
			{Module: "Contact", Operation: "delete", IDs: []string{"12345678901234567890"}, Account: member},
			{Module: "DynamicItem", Operation: "edit", IDs: []string{"21"}, Values: map[string]json.RawMessage{"21": json.RawMessage(`{"ENTITY_TYPE_ID":"1036"}`)}},
			{Module: "Foobar", Operation: "edit", IDs: []string{"1"}},
		} {
			t.Run(name+" "+want.Module, func(t *testing.T) {
				want.OccurredAt = at
				cb, err := s.(ingest.Sampler).Sample(want, "")
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Verify(t.Context(), cb); err != nil {
					t.Error(err)
				}
				changes, err := s.Decode(cb)
				if err != nil || len(changes) != 1 {
					t.Fatalf("%d changes: %v", len(changes), err)
				}
				got := changes[0]
				if got.Module != want.Module || got.Operation != want.Operation || got.Source != cb.Source || want.Account != "" && got.Account != want.Account {
					t.Errorf("decoded %+v", got)
				}
				if diff := cmp.Diff(want.IDs, got.IDs) + cmp.Diff(want.Values, got.Values); diff != "" {
					t.Error(diff)
				}
				if name == bitrix24.EventsLabel && !got.OccurredAt.Equal(at) {
					t.Errorf("at %s", got.OccurredAt)
				}
			})
		}
	}
}

// A sample is refused where Bitrix24 has no such callback, rather than sent as another one.
func TestSamplesRefuse(t *testing.T) {
	events, workflows := open(t, openEvents).(ingest.Sampler), open(t, openWorkflows).(ingest.Sampler)
	for _, test := range []struct {
		name   string
		maker  ingest.Sampler
		change ingest.Change
	}{
		{"an operation that no event tells of", events, ingest.Change{Module: "Foobar", Operation: "convert", IDs: []string{"1"}}},
		{"an operation that is none", events, ingest.Change{Module: "Deal", Operation: "a.b", IDs: []string{"1"}}},
		{"a module that no event can name", events, ingest.Change{Module: "Sales_Orders", Operation: "edit", IDs: []string{"1"}}},
		{"values that are none", events, ingest.Change{Module: "Deal", Operation: "edit", IDs: []string{"1"}, Values: map[string]json.RawMessage{"1": json.RawMessage("[")}}},
		{"a workflow without a record", workflows, ingest.Change{Module: "Deal", Operation: "edit"}},
		{"a workflow on a code", workflows, ingest.Change{Module: "Currency", Operation: "edit", IDs: []string{"CHE"}}},
		{"a workflow's path that is none", workflows, ingest.Change{Module: "Deal", Operation: "a/b", IDs: []string{"1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if cb, err := test.maker.Sample(test.change, ""); err == nil {
				t.Errorf("made %s %s", cb.Path, cb.Body)
			}
		})
	}
}

// The token that is given goes before the one that is configured, so that a refusal can be tried out.
func TestSampleToken(t *testing.T) {
	for _, opener := range []func(ingest.Setup) (ingest.Source, error){openEvents, openWorkflows} {
		s := open(t, opener)
		cb, err := s.(ingest.Sampler).Sample(ingest.Change{Module: "Lead", Operation: "edit", IDs: []string{"1"}}, "guessed & wrong")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), cb); err == nil || !strings.Contains(string(cb.Body)+cb.RawQuery, "guessed+%26+wrong") {
			t.Errorf("%s: %v", cb.Source, err)
		}
	}
}

// Where the only token is another portal's, the sample is of that portal.
func TestSampleMember(t *testing.T) {
	s, err := openEvents(setup(ingest.Tokens{"portal-b": {"b"}, "portal-a": {"a"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	cb, err := s.(ingest.Sampler).Sample(ingest.Change{Module: "Lead", Operation: "edit"}, "")
	if err == nil {
		err = s.Verify(t.Context(), cb)
	}
	if err != nil || !strings.Contains(string(cb.Body), "portal-a") {
		t.Errorf("%s: %v", cb.Body, err)
	}
}

package body_test

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// Of a repeated name the last counts, null is no value, and other values than objects have no members.
func TestMembers(t *testing.T) {
	m := body.Members{}.Append([]byte(`{"a":1, "\u0062":"x","a":[2],"c":3,"c":null}`))
	for name, want := range map[string]string{"a": "[2]", "b": `"x"`, "c": "", "d": ""} {
		if got := m.Of(name); string(got) != want || want == "" && got != nil {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if list := m.Append([]byte(`["a"]`)); len(m) != 5 || len(list) != 5 {
		t.Errorf("%d members, and with a list %d", len(m), len(list))
	}
}

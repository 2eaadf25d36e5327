package records

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// An event is covered by a state that was read from the CRM after it, and by no other.
func TestCovered(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	there := schemas.Record{After: json.RawMessage(`{}`)}
	for name, test := range map[string]struct {
		state  *held
		stored time.Time
		want   bool
	}{
		"no state":                           {nil, now.Add(-time.Hour), false},
		"long before the read":               {&held{Record: there, storedAt: now, readAt: now.Add(-time.Second)}, now.Add(-time.Hour), true},
		"shortly before the read":            {&held{Record: there, storedAt: now, readAt: now.Add(-time.Second)}, now.Add(-time.Minute), false},
		"after the read":                     {&held{Record: there, storedAt: now, readAt: now.Add(-time.Second)}, now.Add(time.Second), false},
		"a state that an old event held":     {&held{Record: there, storedAt: now, readAt: now.Add(-3 * time.Hour)}, now.Add(-time.Hour), false},
		"a state of a bridge ahead of time":  {&held{Record: there, storedAt: now, readAt: now.Add(time.Hour)}, now.Add(-time.Hour), false},
		"a deletion, after which it is back": {&held{storedAt: now, readAt: now.Add(-time.Second)}, now.Add(-time.Hour), false},
	} {
		if got := test.state.covers(test.stored); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

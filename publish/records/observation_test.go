package records

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Of two observations with the same modification time only that is certainly later which was read after the state of the other was
// stored: what a list has, and what was read while another replica stored a state, is read again, whatever the clocks say.
func TestWithinASecond(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	last := &held{Record: schemas.Record{After: json.RawMessage(`{"Stage":"Won"}`), ModifiedAt: at}, sequence: 7, readAt: at.Add(time.Hour)}
	for name, c := range map[string]struct {
		values string
		isRead bool
		after  uint64
		want   verdict
	}{
		"a list, the same":                 {`{"Stage":"Won"}`, false, 0, keepLast},
		"a list, another":                  {`{"Stage":"New"}`, false, 0, readFirst},
		"read after the state was stored":  {`{"Stage":"New"}`, true, 7, publishIt},
		"read before the state was stored": {`{"Stage":"New"}`, true, 6, readFirst},
		"read when there was none":         {`{"Stage":"New"}`, true, 0, readFirst},
	} {
		o := &observation{changed: true, isRead: c.isRead, after: c.after, at: at, record: &ingest.Record{Values: json.RawMessage(c.values), ModifiedAt: at}}
		if got := o.against(last, staleReads); got != c.want {
			t.Errorf("%s: %d, and not %d", name, got, c.want)
		}
	}
}

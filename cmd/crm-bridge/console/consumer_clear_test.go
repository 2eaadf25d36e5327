package console

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"
)

// The question before a list is cleared has the number of all that goes, up to the entry that was shown.
func TestClearAsksWithTheNumber(t *testing.T) {
	shown := time.Date(2026, 11, 1, 12, 0, 0, 5, time.UTC)
	pages := ConsumerPages{Clearable: func(_ context.Context, stream, name string, upto time.Time) (int, int, error) {
		if stream != "CRM" || name != "billing" || !upto.Equal(shown) {
			t.Errorf("asked about %s of %s up to %s", name, stream, upto)
		}
		return 1005, 1003, nil
	}}
	asked, err := pages.askClear(t.Context(), url.Values{"stream": {"CRM"}, "name": {"billing"}, "upto": {shown.Format(time.RFC3339Nano)}})
	if err != nil || !slices.Contains(asked.Details, "It has 1\u202f005 events, 1\u202f003 not replayed.") {
		t.Errorf("%+v, %v", asked, err)
	}
	if _, err := pages.askClear(t.Context(), url.Values{"upto": {"now"}}); err == nil {
		t.Error("it is cleared up to no time")
	}
}

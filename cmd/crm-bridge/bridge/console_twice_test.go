package bridge

import (
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// A yes that is sent twice, as by a double click, starts one job, also where nobody has named it.
func TestConsoleStartsAJobOnce(t *testing.T) {
	w := openWatched(t)
	w.changes("2", "4")
	jobs := func() []replay.Status {
		all, err := w.bridge.Replays.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	yes := w.asks("/console/replay-new/start", url.Values{"target": {"subject"}}, "Replay 2 events to crm-replay.")
	for _, says := range []string{"Started job ", " was started already."} {
		if page := w.post("/console/replay-new/start", yes); !strings.Contains(page, says) || !strings.Contains(page, yes.Get("name")) {
			t.Errorf("%q is not in %s", says, main(page))
		}
	}
	if all := jobs(); len(all) != 1 || all[0].Name != yes.Get("name") {
		t.Errorf("the jobs are %+v", all)
	}
	if again := w.asks("/console/replay-new/start", url.Values{"target": {"subject"}}, "Replay 2 events"); again.Get("name") == yes.Get("name") {
		t.Error("another form names the same job")
	}
	w.does("/console/replay-new/start", url.Values{"target": {"subject"}, "name": {"mine"}}, "Replay 2 events to crm-replay.mine.>?", "Started job mine.")
}

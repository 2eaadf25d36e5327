package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// A channel is said to never expire only if it is active and has no end, and what was never, or is not, has no time in JSON.
func TestChannelLines(t *testing.T) {
	now := time.Now()
	for want, one := range map[string]ingest.Channel{
		"never expires":             {State: "active"},
		"not subscribed":            {State: "disabled"},
		"refused  not subscribed":   {State: "refused"},
		"lapsed  not subscribed":    {State: "lapsed"},
		"lapsed  expired 20":        {State: "lapsed", Expires: now.Add(-time.Hour)},
		"active  expires 20":        {State: "active", Expires: now.Add(2 * time.Hour)},
		"(1h59m":                    {State: "active", Expires: now.Add(2*time.Hour - 500*time.Millisecond)},
		"no callback since the sta": {State: "active"},
	} {
		line, err := json.Marshal(status.Channel{Channel: one})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(line), "0001") {
			t.Errorf("a zero time is shown: %s", line)
		}
		var out bytes.Buffer
		if err := printChannel(&out, line); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q, %v", want, out.String(), err)
		}
		if strings.Contains(out.String(), "never") && (one.State != "active" || !one.Expires.IsZero()) {
			t.Errorf("%s: %q", one.State, out.String())
		}
	}
}

package store

import (
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// What a store says of an answer is what an answer of it means.
func TestDurabilityIsSaidAsItIs(t *testing.T) {
	local := func(stream publish.Stream, sync embedded.Sync) string { return describe(stream, "data", sync) }
	far := func(stream publish.Stream) *remote {
		r := &remote{}
		r.seen(stream, publish.Stream{})
		return r
	}
	for _, test := range []struct {
		name string
		mode interface{ Durability() string }
		says string
		not  string
	}{
		{"embedded", &standalone{promise: local(publish.Stream{Replicas: 1}, embedded.Sync{})}, "fsynced", "page cache"},
		{"embedded, group commit", &standalone{promise: local(publish.Stream{Replicas: 1}, embedded.Sync{})}, "group commit", "each event"},
		{"embedded, the server syncs", &standalone{promise: local(publish.Stream{Replicas: 1}, embedded.Sync{Server: true})}, "each event on its own", "group commit"},
		{"embedded, no sync", &standalone{promise: local(publish.Stream{Replicas: 1}, embedded.Sync{Every: time.Second})}, "page cache", "fsynced"},
		{"embedded, somebody's stream in memory", &standalone{promise: local(publish.Stream{Replicas: 1, Memory: true}, embedded.Sync{Server: true})}, "in the memory", "fsynced"},
		{"embedded, somebody's stream that drops what nobody wants", &standalone{promise: local(publish.Stream{Name: "CRM", Replicas: 1, Interest: true}, embedded.Sync{})}, "not stored", "fsynced"},
		{
			"journal", &journal{promise: local(publish.Stream{Name: "CRM_JOURNAL", Replicas: 1}, embedded.Sync{}), remote: far(publish.Stream{Name: "CRM", Replicas: 3})},
			"fsynced", "acknowledged by the remote",
		},
		{
			"journal, then it is forwarded", &journal{promise: local(publish.Stream{Name: "CRM_JOURNAL", Replicas: 1}, embedded.Sync{}), remote: far(publish.Stream{Name: "CRM", Replicas: 3})},
			"the remote NATS, stream CRM, 3 replica(s)", "could not be asked",
		},
		{"journal, the remote was not seen yet", &journal{remote: &remote{}}, "could not be reached yet", "replica"},
		{"remote that drops what nobody wants", &direct{remote: far(publish.Stream{Name: "CRM", Replicas: 3, Interest: true})}, "not stored", "fsynced"},
		{"remote", &direct{remote: far(publish.Stream{Name: "CRM", Replicas: 3})}, "3 replica(s), file storage", "fsynced"},
		{"remote in memory", &direct{remote: far(publish.Stream{Name: "CRM", Replicas: 1, Memory: true})}, "memory storage", "file"},
		{"remote that was not seen yet", &direct{remote: &remote{}}, "acknowledged by the remote NATS, which could not be reached yet", "replica"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.mode.Durability(); !strings.Contains(got, test.says) || strings.Contains(got, test.not) {
				t.Errorf("it says %q", got)
			}
		})
	}
}

package bridge

import (
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// The console lists events that the remote NATS rejected, sends them again once it accepts them, and drops them.
func TestConsoleSettlesRejectedEvents(t *testing.T) {
	remote, conn := publishtest.Serve(t, nil)
	t.Setenv("BRIDGE_NATS_URL", strings.Replace(remote.ClientURL(), "://", "://crm-bridge:"+publishtest.Password+"@", 1))
	b, callbacks := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{batches{&atomic.Bool{}}}})
	o := signsIn(t, b)
	held := func() uint64 {
		stream, err := conn.JetStream().Stream(t.Context(), "CRM")
		if err != nil {
			return 0
		}
		return stream.CachedInfo().State.Msgs
	}
	limit := func(size int32) {
		t.Helper()
		stream, err := conn.JetStream().Stream(t.Context(), "CRM")
		if err != nil {
			t.Fatal(err)
		}
		config := stream.CachedInfo().Config
		config.MaxMsgSize = size
		if _, err := conn.JetStream().UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	quarantines(t, callbacks, `[2]`)
	until(t, "forwarding", 20*time.Second, func() bool { return held() == 1 })
	limit(100)
	quarantines(t, callbacks, `[4,6]`)
	const list = "/console/quarantine?source=refused"
	until(t, "rejecting", 20*time.Second, func() bool { return strings.Count(o.get(list), "/console/quarantine/callback?id=") == 2 })
	limit(-1)
	o.shows("/console/quarantine", "Nothing waits.", "The remote NATS rejected 2 events permanently.")
	page := o.shows(list, "crm.zoho.Deals.edit", "exceeds maximum", "account default", "Solve the reason, then redrive them")
	_, id, _ := strings.Cut(page, "/console/quarantine/callback?id=")
	id, _, _ = strings.Cut(id, `"`)
	o.shows("/console/quarantine/callback?id="+id, "&#34;specversion&#34;", "Rejected because", "crm.zoho.Deals.edit")
	o.does("/console/quarantine/redrive", url.Values{"id": {id}, "source": {"refused"}}, "1 published on crm.zoho.Deals.edit.", "Redriven "+id+": published on crm.zoho.Deals.edit, stream CRM_JOURNAL")
	until(t, "forwarding it again", 20*time.Second, func() bool { return held() == 2 })
	o.does("/console/quarantine/drop-all", url.Values{"source": {"refused"}}, "Drop 1 of the events that the remote NATS rejected?", "Dropped 1 of the events that the remote NATS rejected; 0 stay.")
	o.shows(list, "Nothing like that waits.")
	if n := held(); n != 2 {
		t.Errorf("the remote holds %d events", n)
	}
}

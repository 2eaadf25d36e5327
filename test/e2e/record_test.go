package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas"
)

const perRecord = "BRIDGE_EVENT_PER=record"

// about is a notification with a mark of its own, about so many records. What it says of the second is longer by extra.
func about(mark, records, extra int) string {
	var ids []string
	for i := range records {
		ids = append(ids, fmt.Sprintf(`"%d"`, recordID(mark, i)))
	}
	values := ""
	if extra > 0 {
		values = fmt.Sprintf(`"affected_values":[{"record_id":%s,"values":{"Description":"%s"}}],`, ids[1], strings.Repeat("x", extra))
	}
	body := strings.Replace(documented, `"1000000033163"`, strings.Join(ids, ","), 1)
	return strings.Replace(body, `"channel_id"`, fmt.Sprintf(`%s"server_time":%d,"channel_id"`, values, 1718115953625+mark), 1)
}

func recordID(mark, i int) int { return 7000000000 + mark*10000 + i }

// inStream is an event as it stands in a stream.
type inStream struct {
	ID, Subject, PartitionKey, CRMOrigin, DataSchema string
	Data                                             schemas.Change
	Sequence                                         uint64
	size                                             int
}

// events reads all that a stream holds, in its order.
func events(t *testing.T, url string) []inStream {
	t.Helper()
	_, js := consumer(t, url, "crm.>")
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.OrderedConsumer(t.Context(), "CRM", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]inStream, stream.CachedInfo().State.Msgs)
	messages, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	for i := range all {
		msg, err := messages.Next()
		if err != nil {
			t.Fatal(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(msg.Data(), &all[i]); err != nil {
			t.Fatal(err)
		}
		all[i].Sequence, all[i].size = meta.Sequence.Stream, len(msg.Data())
	}
	return all
}

// holdsEach fails unless a stream holds one event for each record of the callbacks, and nothing else; in the order of the
// records of each callback, if that is asked.
func holdsEach(t *testing.T, url string, callbacks, records int, inOrder bool) {
	t.Helper()
	next, seen := map[int]int{}, map[string]bool{}
	all := events(t, url)
	for _, e := range all {
		if seen[e.Subject] {
			t.Errorf("record %s has two events", e.Subject)
		}
		seen[e.Subject] = true
		var id int
		if _, err := fmt.Sscan(e.Subject, &id); err != nil {
			t.Fatal(err)
		}
		mark, i := (id-7000000000)/10000, id%10000
		if inOrder && i != next[mark] {
			t.Errorf("record %d of callback %d stands where %d should", i, mark, next[mark])
		}
		next[mark]++
	}
	if len(all) != callbacks*records {
		t.Errorf("the stream holds %d events of %d callbacks of %d records", len(all), callbacks, records)
	}
}

// answersInOrder fails unless the answer has the events of the stream in the order of the records, and says which were
// there before.
func answersInOrder(t *testing.T, a answer, url string, mark int, before func(i int) bool) {
	t.Helper()
	if a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	bySubject := map[string]inStream{}
	for _, e := range events(t, url) {
		bySubject[e.Subject] = e
	}
	for i, got := range a.Events {
		want := bySubject[fmt.Sprint(recordID(mark, i))]
		if got.ID != want.ID || got.Sequence != want.Sequence || got.Duplicate != before(i) {
			t.Errorf("event %d of the answer is %+v, in the stream %+v", i, got, want)
		}
	}
}

func openForeign(t *testing.T, change func(*jetstream.StreamConfig)) (*server.Server, func(func(*jetstream.StreamConfig))) {
	t.Helper()
	remote := openRemote(t, t.TempDir(), -1)
	conn, err := nats.Connect(remote.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	config := jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, Discard: jetstream.DiscardNew}
	change(&config)
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return remote, func(change func(*jetstream.StreamConfig)) {
		t.Helper()
		change(&config)
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
}

// A stream that fills up in the middle of a callback: 503. When it has room again, the same callback leads to every
// record's event once, and the answer says which were there already.
func TestRecordsThatDidNotAllFit(t *testing.T) {
	remote, update := openForeign(t, func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 })
	b := start(t, t.TempDir(), documentedToken, perRecord, "BRIDGE_DELIVERY=direct", "BRIDGE_NATS_URL="+remote.ClientURL())
	for range 2 {
		if a := post(t, b.Callbacks+path, about(1, 8, 0)); a.Status != 503 || a.Header.Get("Retry-After") == "" {
			t.Fatalf("answered %d %s", a.Status, a.Text)
		}
	}
	if n := len(events(t, remote.ClientURL())); n != 5 {
		t.Fatalf("the stream holds %d events", n)
	}
	update(func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
	a := post(t, b.Callbacks+path, about(1, 8, 0))
	answersInOrder(t, a, remote.ClientURL(), 1, func(i int) bool { return i < 5 })
	holdsEach(t, remote.ClientURL(), 1, 8, true)
}

// A stream that refuses one record's event for its size and takes those around it: 503, and the repeat brings that one, and the one behind
// it if it was not sent any more.
func TestRecordThatIsTooLarge(t *testing.T) {
	remote, update := openForeign(t, func(*jetstream.StreamConfig) {})
	b := start(t, t.TempDir(), documentedToken, perRecord, "BRIDGE_DELIVERY=direct", "BRIDGE_NATS_URL="+remote.ClientURL())
	if a := post(t, b.Callbacks+path, about(0, 3, 2000)); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	sizes := events(t, remote.ClientURL())
	update(func(c *jetstream.StreamConfig) { c.MaxMsgSize = int32(sizes[0].size + 1000) }) // headers count too
	if a := post(t, b.Callbacks+path, about(1, 3, 2000)); a.Status != 503 {
		t.Fatalf("answered %d %s, sizes %v", a.Status, a.Text, sizes)
	}
	if n := len(events(t, remote.ClientURL())); n != 4 && n != 5 {
		t.Fatalf("the stream holds %d events", n)
	}
	update(func(c *jetstream.StreamConfig) { c.MaxMsgSize = -1 })
	a := post(t, b.Callbacks+path, about(1, 3, 2000))
	answersInOrder(t, a, remote.ClientURL(), 1, func(i int) bool { return a.Events[i].Sequence < a.Events[1].Sequence })
	if !a.Events[0].Duplicate {
		t.Error("what stands before the refused record was stored twice")
	}
	holdsEach(t, remote.ClientURL(), 2, 3, false) // the one that was refused stands last
}

// A journal that fills up in the middle of a callback: 503; when it has room again the repeat is stored whole, once.
func TestRecordsInAFullJournal(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	remote.Shutdown()
	remote.WaitForShutdown()
	b := start(t, t.TempDir(), documentedToken, perRecord, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_JOURNAL_MAX_BYTES=200KiB")
	callbacks := 0
	for post(t, b.Callbacks+path, about(callbacks, 20, 0)).Status == 200 {
		callbacks++
	}
	if status := post(t, b.Callbacks+path, about(callbacks, 20, 0)).Status; status != 503 || callbacks < 2 {
		t.Fatalf("callback %d was answered %d", callbacks, status)
	}
	if waiting := metric(t, b, "crm_bridge_journal_pending"); waiting == fmt.Sprint(20*callbacks) {
		t.Fatal("the journal took none of the callback that it refused: this test needs another limit")
	}
	remote = restart(t, remote.ClientURL(), store)
	waitFor(t, func() bool { return post(t, b.Callbacks+path, about(callbacks, 20, 0)).Status == 200 })
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	holdsEach(t, remote.ClientURL(), callbacks+1, 20, true)
}

// A thousand records are a thousand events, in order; more of them than 32 MiB hold wait in quarantine, as does a callback with
// one record that cannot be read: not one of its records has an event then.
func TestManyRecords(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken, perRecord)
	a := post(t, b.Callbacks+path, about(1, 1000, 0))
	answersInOrder(t, a, b.NATS, 1, func(int) bool { return false })
	holdsEach(t, b.NATS, 1, 1000, true)
	for what, body := range map[string]string{
		"too many":              about(2, 15_000, 0),
		"one that is no number": strings.Replace(about(3, 5, 0), fmt.Sprint(recordID(3, 2)), "not a number", 1),
		"one that is an object": strings.Replace(about(4, 5, 0), fmt.Sprintf(`"%d"`, recordID(4, 2)), "{}", 1),
	} {
		if a := post(t, b.Callbacks+path, body); a.Status != 400 || a.QuarantineID == "" {
			t.Errorf("%s: answered %d %.200s", what, a.Status, a.Text)
		}
	}
	holdsEach(t, b.NATS, 1, 1000, true)
	twice := strings.Replace(about(5, 3, 0), fmt.Sprint(recordID(5, 1)), fmt.Sprint(recordID(5, 0)), 1)
	if a := post(t, b.Callbacks+path, twice); a.Status != 200 || len(a.Events) != 2 {
		t.Errorf("a record that is named twice: %d %s", a.Status, a.Text)
	}
}

// In both content modes each record's event has its subject and its partitionkey; with one event a callback there is none.
func TestPartitionKey(t *testing.T) {
	for _, mode := range []string{"structured", "binary"} {
		b := start(t, t.TempDir(), documentedToken, perRecord, "BRIDGE_EVENT_MODE="+mode)
		post(t, b.Callbacks+path, about(1, 2, 0))
		c, _ := consumer(t, b.NATS, "crm.>")
		var keys []string
		for range 2 {
			msg, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			var e inStream
			if mode == "binary" {
				e.Subject, e.PartitionKey = msg.Headers()["ce-subject"][0], msg.Headers()["ce-partitionkey"][0]
			} else if err := json.Unmarshal(msg.Data(), &e); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, e.Subject+" "+e.PartitionKey)
		}
		want := []string{"7000010000 zoho/default/Contacts/7000010000", "7000010001 zoho/default/Contacts/7000010001"}
		if !slices.Equal(keys, want) {
			t.Errorf("%s: %q", mode, keys)
		}
	}
	b := start(t, t.TempDir(), documentedToken)
	post(t, b.Callbacks+path, documented)
	if e := events(t, b.NATS)[0]; e.Subject != "1000000033163" || e.PartitionKey != "" {
		t.Errorf("with one event a callback: %+v", e)
	}
}

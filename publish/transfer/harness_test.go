package transfer_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

const gap = "crm.crm-bridge.Gap.copy"

// sides are a source and a target, each a server of its own.
type sides struct {
	from, to *publish.Conn
	server   *embedded.Server // the target
	dir      string           // its folder
}

func open(t *testing.T) *sides {
	t.Helper()
	s := &sides{}
	_, s.from = publishtest.Open(t, nil)
	s.dir = t.TempDir()
	s.server, s.to = publishtest.Serve(t, func(c *embedded.Config) { c.Dir = s.dir })
	return s
}

// streams are those of a bridge that the tests copy.
func streams() []transfer.Stream {
	records := publishtest.Stream("CRM_RECORDS", "crm-records.>")
	records.PerSubject = 1
	return []transfer.Stream{
		{Config: publishtest.Stream("CRM", "crm.>"), Keep: true}, {Config: publishtest.Stream("CRM_QUARANTINE", "crm-quarantine.>")}, {Config: records},
	}
}

func bucket(conn *publish.Conn) *publish.Bucket {
	return &publish.Bucket{Reach: func() (*publish.Conn, error) { return conn, nil }, Name: "CRM_STATE", Replicas: 1}
}

// copying returns a copy between the sides, as each run of the command makes it.
func (s *sides) copying(t *testing.T) *transfer.Copy {
	t.Helper()
	note, err := transfer.ReadNote(t.Context(), bucket(s.to))
	if err != nil {
		t.Fatal(err)
	}
	return &transfer.Copy{From: s.from, To: s.to, Note: note, Gap: gap, Patience: 5 * time.Second}
}

// run runs a copy; change changes it first.
func (s *sides) run(t *testing.T, change func(*transfer.Run)) (transfer.Result, error) {
	t.Helper()
	r := &transfer.Run{
		Copy: s.copying(t), Ended: true, State: transfer.State{From: bucket(s.from), To: bucket(s.to)},
		Warn: func(text string) { t.Log(text) }, Copied: func() {},
	}
	if change != nil {
		change(r)
	}
	release, err := r.Note.Claim(t.Context(), func(err error) { t.Error(err) })
	if err != nil {
		return transfer.Result{}, err
	}
	defer release()
	return r.Do(t.Context(), streams())
}

// complete runs a copy that completes.
func (s *sides) complete(t *testing.T) transfer.Result {
	t.Helper()
	result, err := s.run(t, nil)
	if err != nil || !result.Done {
		t.Fatalf("%+v, %v", result, err)
	}
	return result
}

// put stores a message.
func put(t *testing.T, conn *publish.Conn, subject, id, body string) uint64 {
	t.Helper()
	msg := &nats.Msg{Subject: subject, Data: []byte(body), Header: nats.Header{"content-type": {"application/cloudevents+json"}}}
	if id != "" {
		msg.Header.Set(nats.MsgIdHdr, id)
	}
	ack, err := conn.JetStream().PublishMsg(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// fill stores so many events.
func fill(t *testing.T, conn *publish.Conn, n int) {
	t.Helper()
	for i := range n {
		put(t, conn, "crm.acme.Deals.edit", fmt.Sprint("id-", i), fmt.Sprintf(`{"n":%d}`, i))
	}
}

// fillMore stores so many further events, without an id that a server would recognise.
func fillMore(t *testing.T, conn *publish.Conn, n int) {
	t.Helper()
	for i := range n {
		put(t, conn, "crm.acme.Deals.create", "", fmt.Sprintf(`{"n":%d}`, i))
	}
}

// remove removes messages of a stream.
func remove(t *testing.T, conn *publish.Conn, stream string, sequences ...uint64) {
	t.Helper()
	for _, sequence := range sequences {
		if err := conn.Erase(t.Context(), stream, sequence); err != nil {
			t.Fatal(err)
		}
	}
}

// held returns the messages of a stream by their sequences: subject, id and body.
func held(t *testing.T, conn *publish.Conn, stream string) map[uint64]string {
	t.Helper()
	all := map[uint64]string{}
	span, err := conn.OpenSpan(t.Context(), stream, nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	span.Patience = 5 * time.Second
	err = span.Each(context.Background(), func(m publish.Stored) error {
		all[m.Sequence] = fmt.Sprintf("%s %s %s", m.Subject, m.MessageID(), m.Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// state returns that of a stream.
func state(t *testing.T, conn *publish.Conn, stream string) jetstream.StreamState {
	t.Helper()
	found, err := conn.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return found.CachedInfo().State
}

// inOrder returns messages in the order of their sequences.
func inOrder(all map[uint64]string) (sorted []string) {
	for _, sequence := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[sequence])
	}
	return sorted
}

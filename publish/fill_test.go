package publish_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A stream says how full it is, since when, what happens at its limit, and whether the bridge made it.
func TestFill(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	js := conn.JetStream()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"theirs"}, Discard: jetstream.DiscardNew, MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	ack, err := js.Publish(t.Context(), "theirs", []byte("text"))
	if err != nil || ack.Sequence != 1 {
		t.Fatal(ack, err)
	}
	theirs, err := conn.Fill(t.Context(), "THEIRS")
	if err != nil || theirs == nil || theirs.Messages != 1 || theirs.Bytes == 0 || theirs.MaxBytes != 1<<20 || theirs.Oldest.IsZero() || !theirs.Rejects || theirs.Own {
		t.Errorf("theirs is %+v, %v", theirs, err)
	}
	own, err := conn.Fill(t.Context(), "CRM")
	if err != nil || own == nil || own.Messages != 0 || !own.Oldest.IsZero() || own.Rejects || !own.Own {
		t.Errorf("the bridge's is %+v, %v", own, err)
	}
	if none, err := conn.Fill(t.Context(), "NONE"); none != nil || err != nil {
		t.Errorf("what is not there is %+v, %v", none, err)
	}
}

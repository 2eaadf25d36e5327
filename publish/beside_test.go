package publish_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// quarantineOf quarantines callbacks through e's journal; the remote's stream of them is full after one.
func quarantineOf(t *testing.T, e *edge, remote *remoteServer) *publish.Quarantine {
	t.Helper()
	full := jetstream.StreamConfig{Name: "CRM_QUARANTINE", Subjects: []string{"crm-quarantine.>"}, MaxMsgs: 1, Discard: jetstream.DiscardNew}
	if _, err := remote.js(t).CreateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	ensure := e.forwarder.Ensure
	e.forwarder.Ensure = func(ctx context.Context, conn *publish.Conn) (map[string]publish.Stream, error) {
		streams, err := ensure(ctx, conn)
		if err == nil {
			streams["CRM_QUARANTINE"] = publish.Stream{Name: "CRM_QUARANTINE", Subjects: full.Subjects, Beside: true}
		}
		return streams, err
	}
	return &publish.Quarantine{
		Shelf: publish.Shelf{Stream: "CRM_QUARANTINE", Reach: e.forwarder.Reach}, Conn: e.conn, Journal: "CRM_JOURNAL", Prefix: "crm",
	}
}

// The event of a callback that is redriven while its copy still waits in the journal is not a duplicate of that copy, although it has
// the same id.
func TestRedrivenIsNotDuplicate(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	q := quarantineOf(t, e, remote)
	if err := q.Keep(t.Context(), "acme-notifications", "an-id", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	acks, err := e.publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("an-id"), Repeatable: true})
	if err != nil || acks[0].Duplicate {
		t.Fatalf("%v %v", acks, err)
	}
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	if got := fmt.Sprint(remote.holds(t)); got != "[an-id]" {
		t.Errorf("the remote holds %s", got)
	}
}

// A full quarantine does not block events: callbacks that it rejects are set aside under their ids.
func TestFullQuarantineBlocksNothing(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	q := quarantineOf(t, e, remote)
	for i := range 3 {
		if err := q.Keep(t.Context(), "acme-notifications", fmt.Sprint("kept-", i), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	e.publish(t, 1, 3)
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, 3)
	if _, err := remote.js(t).UpdateStream(t.Context(), jetstream.StreamConfig{Name: "CRM_QUARANTINE", Subjects: []string{"crm-quarantine.>"}}); err != nil {
		t.Fatal(err)
	}
	var aside, kept []string
	err := e.refused.Each(t.Context(), func(message publish.Kept) error {
		aside = append(aside, message.ID)
		_, err := e.refused.Again(t.Context(), message)
		return err
	})
	if err != nil || fmt.Sprint(aside) != "[kept-1 kept-2]" {
		t.Fatalf("set aside are %v: %v", aside, err)
	}
	pending(t, e.forwarder, 0)
	err = q.Each(t.Context(), func(message publish.Kept) error {
		kept = append(kept, message.ID)
		return nil
	})
	if err != nil || fmt.Sprint(kept) != "[kept-0 kept-1 kept-2]" {
		t.Errorf("in quarantine are %v: %v", kept, err)
	}
}

// An event whose subject the remote's stream no longer has, as after a change of the prefix, blocks nothing.
func TestOldSubjectsBlockNothing(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	e.publisher.Prefix = "old"
	e.publish(t, 1, 1)
	e.publisher.Prefix = "crm"
	e.publish(t, 2, 2)
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	if got := fmt.Sprint(remote.holds(t)); got != "[2]" {
		t.Errorf("the remote holds %s", got)
	}
	err := e.refused.Each(t.Context(), func(kept publish.Kept) error {
		if reason := e.refused.Reason(kept); kept.ID != "1" || !strings.Contains(reason, "BRIDGE_SUBJECT_PREFIX") {
			t.Errorf("%s is kept because %s", kept.ID, reason)
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("nothing is set aside: %v", err)
	}
}

var errEnough = errors.New("enough")

// A secret that is configured in place of the path of its file is not shown.
func TestMisplacedSecretIsNotShown(t *testing.T) {
	const secret = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTAM"
	for variable, address := range map[string]publish.Address{
		"BRIDGE_NATS_CREDS": {Creds: secret}, "BRIDGE_NATS_NKEY": {Nkey: secret}, "BRIDGE_NATS_CA": {CA: secret}, "BRIDGE_NATS_KEY": {Cert: os.DevNull, Key: secret},
	} {
		address.URL = "nats://127.0.0.1:1"
		_, err := address.Dial(publishtest.Log)
		if misfit := publish.MisfitError(""); !errors.As(err, &misfit) || !strings.Contains(err.Error(), variable) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", variable, err)
		}
	}
	if _, err := (publish.Address{URL: "nats://127.0.0.1:1", CA: filepath.Join(t.TempDir(), "missing.pem")}).Dial(publishtest.Log); err == nil {
		t.Error("a missing file is ignored")
	}
}

// A remote that accepts connections and sends nothing delays the end only by a moment.
func TestSilentRemoteDoesNotHoldTheEndUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	e := openEdge(t, "nats://"+silent.Addr().String(), 1<<26)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.forwarder.Run(ctx)
	}()
	if _, err := silent.Accept(); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Error("it has not ended after three seconds")
	}
}

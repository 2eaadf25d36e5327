package publish

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// openBareSender returns a sender to a stream CRM of a server of its own, with a commit.
func openBareSender(t *testing.T, commit Commit) *sender {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10*time.Second) || !s.JetStreamEnabled() {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	conn, err := Open("", []nats.Option{nats.InProcessServer(s)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if _, err := conn.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	sender, err := openSender(conn, "CRM", commit, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

// A call that is sent again after all of it was acknowledged, and its caller left before it was committed, is committed and answered.
func TestSendAgainWhatIsOnlyNotCommitted(t *testing.T) {
	begun, end := make(chan struct{}, 1), make(chan error)
	s := openBareSender(t, func(context.Context) error {
		begun <- struct{}{}
		return <-end
	})
	messages, acks := []*message{{Msg: nats.Msg{Subject: "crm.acme.Deals.edit"}}}, make([]Ack, 1)
	silent := make(chan time.Time)
	go func() {
		<-begun
		close(silent)
	}()
	if _, err := s.send(t.Context(), messages, acks, silent); !errors.Is(err, errNotSynced) {
		t.Fatalf("it was not committed: %v", err)
	}
	end <- nil
	go func() {
		<-begun
		end <- nil
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if failed, err := s.send(ctx, messages, acks, nil); failed != 0 || err != nil || acks[0].Sequence != 1 {
		t.Errorf("message %d of %+v: %v", failed, acks, err)
	}
}

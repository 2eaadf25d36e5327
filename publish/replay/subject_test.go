package replay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// openStream returns a connection to a server with a stream that takes replayed events.
func openStream(t *testing.T) *publish.Conn {
	t.Helper()
	_, conn := publishtest.Serve(t, nil)
	config := publish.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}, MaxBytes: 1 << 30, Replicas: 1, Duplicates: 100 * time.Millisecond}
	if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return conn
}

func message(sequence uint64) publish.Stored {
	return publish.Stored{
		Subject: "crm.zoho.Deals.edit", Sequence: sequence, Header: map[string][]string{"content-type": {"application/cloudevents+json"}},
		Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","type":"t","source":"s"}`, sequence),
	}
}

// What an earlier run had published behind a gap is not published again, wherever the next run dies: the job does not
// record that nothing is beyond its position before all of it is counted.
func TestReplayAfterAGap(t *testing.T) {
	conn := openStream(t)
	to := &publish.Replay{Conn: conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: "gap"}
	for _, sequence := range []uint64{1, 2, 5, 6, 7} { // 3 and 4 were refused
		sending, err := to.Send(message(sequence), fmt.Sprint(sequence))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sending.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run := func(job *Job, upTo uint64) {
		t.Helper()
		r := &Run{Job: job, Target: &Subject{To: to}}
		if err := r.Target.Begin(t.Context(), job.At, job.Beside); err != nil {
			t.Fatal(err)
		}
		for sequence := job.At + 1; sequence <= upTo; sequence++ {
			if err := errors.Join(r.one(t.Context(), t.Context(), message(sequence)), r.flush(t.Context())); err != nil {
				t.Fatal(err)
			}
			if sequence < 7 && (job.At != sequence || job.Beside != 2) {
				t.Errorf("at %d, the job says %d and %d", sequence, job.At, job.Beside)
			}
		}
	}
	store := &memory{}
	job := &Job{Name: "gap", At: 2, Beside: 2, Store: store}
	run(job, 7)
	job, err := Load(t.Context(), store, "gap") // as it was before the third message was sent
	if err != nil || job.At != 2 || job.Beside != 2 {
		t.Fatalf("the first run said %+v, %v", job, err)
	}
	job.At = 3 // as it was when the third was acknowledged, and nothing behind it noted
	run(job, 9)
	held, err := to.Held(t.Context(), 0)
	streams, failed := conn.Streams(t.Context())
	if err != nil || failed != nil || len(held) != 9 || streams["CRM_REPLAY"] != 9 || job.At != 9 || job.Beside != 9 {
		t.Errorf("the stream holds %d messages of %d sequences, and the job is at %d and %d; %v", streams["CRM_REPLAY"], len(held), job.At, job.Beside, err)
	}
}

// An event that the stream never takes stops the job in front of it, or is left out and counted; what was delivered before it
// is done either way.
func TestRefusedBySubject(t *testing.T) {
	conn := openStream(t)
	large := message(2)
	large.Data = fmt.Appendf(nil, `{"specversion":"1.0","id":"2","type":"t","source":"s","data":"%02097152d"}`, 0)
	deliver := func(job string, skip bool) (Job, []error, error) {
		target := &Subject{To: &publish.Replay{Conn: conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: job}, SkipRefused: skip}
		var warned []error
		r := &Run{Job: &Job{Name: job}, Target: target, Warn: func(err error) { warned = append(warned, err) }}
		if err := target.Begin(t.Context(), 0, 0); err != nil {
			t.Fatal(err)
		}
		for _, m := range []publish.Stored{message(1), large, {Subject: "crm.zoho", Sequence: 3, Data: []byte("no event")}, message(4)} {
			if err := r.one(t.Context(), t.Context(), m); err != nil {
				return *r.Job, warned, err
			}
		}
		return *r.Job, warned, r.flush(t.Context())
	}
	job, warned, err := deliver("stops", false)
	var refused RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, publish.ErrTooLarge) || refused.ID != "2" || refused.Sequence != 2 || job.At > 1 || len(warned) > 0 {
		t.Errorf("at %d, warned of %v: %v", job.At, warned, err)
	}
	job, warned, err = deliver("skips", true)
	if want := (Tally{Read: 4, Events: 2, Refused: 1, NotEvents: 1}); err != nil || job.At != 4 || job.Tally != want || len(warned) != 2 {
		t.Errorf("at %d with %+v, warned of %v: %v", job.At, job.Tally, warned, err)
	}
}

// What was in flight when the connection broke may be lost: nothing is sent behind it until the job has looked, or the order would break.
func TestNothingOvertakesWhatIsLost(t *testing.T) {
	server, conn := publishtest.Serve(t, nil)
	other, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	sent, err := other.NATS().SubscribeSync("crm-replay.>") // nobody acknowledges
	if err != nil {
		t.Fatal(err)
	}
	if err := other.NATS().Flush(); err != nil {
		t.Fatal(err)
	}
	target := &Subject{To: &publish.Replay{Conn: conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: "order"}}
	if _, err := target.Deliver(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := sent.NextMsg(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	connected := conn.NATS().StatusChanged(nats.CONNECTED)
	if err := conn.NATS().ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	<-connected
	var lost LostError
	if _, err := target.Deliver(t.Context(), message(2)); !errors.As(err, &lost) {
		t.Errorf("behind what may be lost: %v", err)
	}
	if _, err := target.Deliver(t.Context(), message(3)); err != nil { // nothing is in flight any more
		t.Error(err)
	}
	if msg, err := sent.NextMsg(10 * time.Second); err != nil || msg.Header.Get("crm-replay-sequence") != "3" {
		t.Errorf("sent then: %v, %v", msg, err)
	}
}

// A run that takes a job over removes nothing of it; a new job of its name needs restart, which removes what is there.
func TestClaimOfASubject(t *testing.T) {
	conn := openStream(t)
	to := &publish.Replay{Conn: conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: "one"}
	store := &memory{}
	job := &Job{Name: "one", Store: store}
	if err := (&Subject{To: to}).Claim(t.Context(), job, false); err != nil || job.Unmade || job.Run == "" {
		t.Fatalf("%+v, %v", job, err)
	}
	sending, err := to.Send(message(1), "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sending.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if job, err = Load(t.Context(), store, "one"); err != nil {
		t.Fatal(err)
	}
	if err := (&Subject{To: to}).Claim(t.Context(), job, false); err != nil {
		t.Fatal(err)
	}
	if held, err := to.Held(t.Context(), 0); err != nil || len(held) != 1 {
		t.Errorf("taken over, the job holds %v, %v", held, err)
	}
	if err := (&Subject{To: to}).Claim(t.Context(), &Job{Name: "one", Store: &memory{}}, false); !errors.Is(err, ErrJobExists) {
		t.Errorf("another job of the name: %v", err)
	}
	synced := false
	again := &Subject{To: to, SyncAll: func() error { synced = true; return nil }}
	if err := again.Claim(t.Context(), &Job{Name: "one", Store: &memory{}}, true); err != nil || !synced {
		t.Errorf("restarted, the removal was synced: %t, %v", synced, err)
	}
	if held, err := to.Held(t.Context(), 0); err != nil || len(held) != 0 {
		t.Errorf("restarted, the job holds %v, %v", held, err)
	}
}

// memory is a Store of one job in this process.
type memory struct {
	value    []byte
	revision uint64
}

func (s *memory) Load(context.Context, string) ([]byte, uint64, error) {
	return s.value, s.revision, nil
}

func (s *memory) Save(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	if revision != s.revision {
		return 0, publish.ErrConflict
	}
	s.value, s.revision = value, s.revision+1
	return s.revision, nil
}

package main

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// What an earlier run had published behind a gap is not published again, wherever the next run dies: the job does not say
// that nothing stands behind its place before all of it is counted.
func TestReplayAfterAGap(t *testing.T) {
	server, err := publish.OpenServer(t.Context(), publish.ServerConfig{Dir: t.TempDir(), OwnerPass: "owner", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	config := publish.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}, MaxBytes: 1 << 30, Replicas: 1, Duplicates: 100 * time.Millisecond}
	if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	message := func(sequence uint64) publish.Stored {
		return publish.Stored{
			Subject: "crm.zoho.Deals.edit", Sequence: sequence, Header: map[string][]string{"content-type": {"application/cloudevents+json"}},
			Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","type":"t","source":"s"}`, sequence),
		}
	}
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
	run := func(job *replayJob, upTo uint64) *toSubject {
		t.Helper()
		target := &toSubject{replay: &replay{job: job, bar: terminal.NewProgress(io.Discard, "messages")}, to: to}
		target.target = target
		if err := target.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		for sequence := job.At + 1; sequence <= upTo; sequence++ {
			if err := target.give(t.Context(), message(sequence)); err != nil {
				t.Fatal(err)
			}
		}
		return target
	}
	store := &memory{}
	job := &replayJob{Name: "gap", At: 2, Beside: 2, store: store}
	if first := run(job, 7); first.flush(t.Context()) != nil {
		t.Fatal("the first run was not flushed")
	}
	job, err = loadJob(t.Context(), store, "gap") // as it was before the third message was sent
	if err != nil || job.At != 2 || job.Beside != 2 {
		t.Fatalf("the first run said %+v, %v", job, err)
	}
	job.At = 3 // as it was when the third was acknowledged, and nothing behind it noted
	if second := run(job, 9); second.flush(t.Context()) != nil {
		t.Fatal("the second run was not flushed")
	}
	held, err := to.Held(t.Context(), 0)
	streams, failed := conn.Streams(t.Context())
	if err != nil || failed != nil || len(held) != 9 || streams["CRM_REPLAY"] != 9 || job.At != 9 || job.Beside != 9 {
		t.Errorf("the stream holds %d messages of %d sequences, and the job is at %d and %d; %v", streams["CRM_REPLAY"], len(held), job.At, job.Beside, err)
	}
}

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A run that takes a job over from a faster one that is still at work publishes nothing that the other published before it
// ended, however late it comes to it.
func TestReplayToSubjectIsTakenOver(t *testing.T) {
	t.Parallel()
	const n = 60000
	remote, js, env := filled(t, t.TempDir(), n)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}, Duplicates: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--to", "subject", "--job", "over"}
	first := replayCommand(env, append(args, "--rate", "10000")...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs > 12000
	})
	r := replay(t, env, append(args, "--rate", "15000")...)
	if r.code != 0 {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if err := first.Wait(); err == nil {
		t.Error("the earlier run did not end")
	}
	all := heldHeaders(t, remote.ClientURL())
	slices.Sort(all)
	if twice := len(all) - len(slices.Compact(all)); twice > 0 {
		t.Errorf("%d events are there twice", twice)
	}
}

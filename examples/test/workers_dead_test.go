package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a worker gave up on is brought again by a replay for its consumer, and handled by a worker that knows better.
func TestWorkersHandleWhatTheyGaveUpOn(t *testing.T) {
	t.Parallel()
	const group = "deals-workers-0-of-1"
	b := startBridge(t, nil, "BRIDGE_EVENT_PER=record")
	book := filepath.Join(t.TempDir(), "book.jsonl")
	worker := &process{
		name: "worker", args: []string{filepath.Join(programs, "workers")}, env: []string{"NATS_URL=" + b.nats, "BOOK=" + book, "PARTITIONS=1"}, said: &said{},
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(programs, "crm-bridge"), args...)
		cmd.Env = b.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	js := jetStream(t, b.nats)
	worker.start(t)
	var consumer jetstream.Consumer
	until(t, 30*time.Second, func() string { return "the worker has no consumer" }, func() bool {
		var err error
		consumer, err = js.Consumer(t.Context(), "CRM", group)
		return err == nil
	})
	worker.kill(t)
	const deals = 5
	for range deals {
		run("send", "--module", "Deals", "--operation", "edit", "--id", "5725767795292063670")
	}
	for range deals { // the worker of an earlier version
		msg, err := consumer.Next(jetstream.FetchMaxWait(30 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.TermWithReason("unknown stage"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, 30*time.Second, func() string { return "not all are listed" }, func() bool {
		return strings.Count(run("consumers", "--dead", group), "terminated: unknown stage") == deals
	})
	worker.start(t)
	run("replay", "--dead", group, "--to", "subject")
	var lines []bookLine
	until(t, 60*time.Second, func() string { return worker.said.String() }, func() bool {
		lines = readBook(t, book)
		return len(lines) == deals
	})
	for i, line := range lines {
		if line.Sequence != uint64(i+1) {
			t.Errorf("the event of sequence %d is handled as number %d", line.Sequence, i+1)
		}
	}
	if err := worker.end(t, 15); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, worker.said)
	}
}

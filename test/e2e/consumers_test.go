package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// job is a durable consumer of another program.
func job(t *testing.T, url string, config jetstream.ConsumerConfig) jetstream.Consumer {
	t.Helper()
	c, err := service(t, url).CreateOrUpdateConsumer(t.Context(), "CRM", config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fetched returns the next messages of a consumer, and fails the test unless it gets so many.
func fetched(t *testing.T, c jetstream.Consumer, n int) (all []jetstream.Msg) {
	t.Helper()
	batch, err := c.Fetch(n, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		all = append(all, m)
	}
	if len(all) != n {
		t.Fatalf("%s is sent %d messages, not %d", c.CachedInfo().Name, len(all), n)
	}
	return all
}

// terminate has a consumer give up on its next messages.
func terminate(t *testing.T, c jetstream.Consumer, n int) {
	t.Helper()
	for _, m := range fetched(t, c, n) {
		if err := m.TermWithReason("no such customer"); err != nil {
			t.Fatal(err)
		}
	}
}

// does runs a command against a bridge, and fails the test if it fails or lacks what it should say.
func does(t *testing.T, b *bridge, dir, says string, args ...string) string {
	t.Helper()
	out, code := command(t, b, dir, args...)
	if code != 0 || !strings.Contains(out, says) {
		t.Fatalf("%v ended with %d, and lacks %q: %s", args, code, says, out)
	}
	return out
}

// A consumer that another program runs is listed, paused, resumed and reset by its name, which the shell completes; the bridge's own
// consumers and unknown ones are not, and a refusal says why.
func TestConsumers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	for i := range 3 {
		post(t, b.Callbacks+path, distinct(i))
	}
	billing := job(t, b.NATS, jetstream.ConsumerConfig{Durable: "billing", Metadata: map[string]string{"team": "billing"}})
	fetched(t, billing, 2)
	does(t, b, dir, `"stream":"CRM","name":"billing","durable":true,"own":false`, "consumers")
	does(t, b, dir, `"lag":1,"ackPending":2,`, "consumers", "billing", "--stream", "CRM")
	if out := does(t, b, dir, "billing", "__complete", "consumers", "pause", ""); !strings.Contains(out, ":4") {
		t.Errorf("the completion is %s", out)
	}
	does(t, b, dir, "billing", "__complete", "replay", "--dead", "")

	does(t, b, dir, `"pausedUntil":"`, "consumers", "pause", "billing", "--for", "1h")
	if batch, err := billing.FetchNoWait(5); err != nil {
		t.Fatal(err)
	} else if m, sent := <-batch.Messages(); sent {
		t.Errorf("it is paused, and is sent %s", m.Subject())
	}
	if out := does(t, b, dir, `"lag":1`, "consumers", "resume", "billing"); strings.Contains(out, "pausedUntil") {
		t.Errorf("after the pause: %s", out)
	}
	fetched(t, billing, 1)
	does(t, b, dir, `"ackPending":0`, "consumers", "reset", "billing", "--to", "2", "--yes")
	if m := fetched(t, billing, 1)[0]; seq(t, m) != 2 {
		t.Errorf("after the reset it is sent %d", seq(t, m))
	}
	info, err := billing.Info(t.Context())
	if err != nil || info.Config.Metadata["team"] != "billing" {
		t.Errorf("its metadata is %v, %v", info.Config.Metadata, err)
	}
	for _, refused := range []struct {
		args, says string
		code       int
	}{
		{"consumers pause nobody --for 1h", `"nobody" on CRM, CRM_RECORDS, CRM_REPLAY and CRM_QUARANTINE: there is no such consumer`, 1},
		{"consumers nobody", "there is no such consumer", 1},
		{"consumers pause crm-bridge-records-zoho --for 1h", "consumer", 1},
		{"consumers pause billing", "give either --for or --until", 2},
		{"consumers pause billing --until 2020-01-01", "a time to come", 2},
		{"consumers reset billing", "--to says where", 2},
		{"consumers reset billing --to nowhere", "must be first", 2},
		{"consumers reset billing --to first", "add --yes", 2},
		{"consumers --clear", "--clear needs --dead", 2},
		{"consumers resume", "takes the name of one consumer", 2},
	} {
		if out, code := command(t, b, dir, strings.Fields(refused.args)...); code != refused.code || !strings.Contains(out, refused.says) {
			t.Errorf("%s ended with %d: %s", refused.args, code, out)
		}
	}
	_, js := consumer(t, b.NATS, "crm.>")
	if _, err := js.CreateConsumer(t.Context(), "CRM_QUARANTINE", jetstream.ConsumerConfig{Durable: "billing"}); err != nil {
		t.Fatal(err)
	}
	if out, code := command(t, b, dir, "consumers", "pause", "billing", "--for", "1h"); code != 1 || !strings.Contains(out, "billing is a consumer of CRM and CRM_QUARANTINE: name one with --stream") {
		t.Errorf("an ambiguous name ended with %d: %s", code, out)
	}
	does(t, b, dir, `"stream":"CRM_QUARANTINE","name":"billing"`, "consumers", "pause", "billing", "--for", "1h", "--stream", "CRM_QUARANTINE")
	if out, code := command(t, b, t.TempDir(), "consumers"); code != 1 || !strings.Contains(out, "rejected the command") {
		t.Errorf("a stranger gets %d %s", code, out)
	}
}

func seq(t *testing.T, m jetstream.Msg) uint64 {
	t.Helper()
	meta, err := m.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return meta.Sequence.Stream
}

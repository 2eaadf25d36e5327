package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	edits   = "crm.zoho.Deals.edit"
	account = "Zoe_100-1"
)

// consumer is one of the examples that handle each edit of a deal once.
type consumer struct {
	process
	durable, book string
}

func newConsumer(t *testing.T, b *bridge, durable string, args ...string) *consumer {
	c := &consumer{durable: durable, book: filepath.Join(t.TempDir(), durable+".jsonl")}
	c.process = process{name: durable, args: args, env: []string{"NATS_URL=" + b.nats, "BOOK=" + c.book}, said: &said{}}
	return c
}

// handled counts the lines of the consumer's book, by event.
func (c *consumer) handled(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(c.book)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		var entry struct{ ID string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("%s: %v in %s", c.name, err, line)
		}
		counts[entry.ID]++
	}
	return counts
}

// tear leaves an incomplete last line in a book, as a power cut may. A consumer that is killed at once has no book yet.
func tear(t *testing.T, path string) {
	t.Helper()
	book, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	err = syscall.Flock(int(book.Fd()), syscall.LOCK_EX) // workers share theirs
	if err == nil {
		_, err = book.WriteString(`{"id":"half`)
	}
	if err = errors.Join(err, book.Close()); err != nil {
		t.Fatal(err)
	}
}

// hasAll reports whether the consumer has handled the acknowledged edits.
func (c *consumer) hasAll(t *testing.T, acknowledged []answered) bool {
	handled := c.handled(t)
	return !slices.ContainsFunc(acknowledged, func(a answered) bool { return a.Subject == edits && handled[a.ID] == 0 })
}

// Each consumer handles each edit once and agrees with the stream, and the table is that of the CRM, although the examples and the bridge
// are killed repeatedly, callbacks are repeated and late, and one consumer is stopped for a while.
func TestExamplesSurviveKills(t *testing.T) {
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			survive(t, mode)
		})
	}
}

func survive(t *testing.T, mode string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	// With so short a duplicates window the stream holds repeated callbacks twice, with the same id.
	b := startBridge(t, startCRM(t), "BRIDGE_EVENT_MODE="+mode, "BRIDGE_STREAM_DUPLICATES=100ms", "BRIDGE_ZOHO_ACCOUNT="+account)
	inGo := newConsumer(t, b, "deals-go", filepath.Join(programs, "go-consumer"))
	inJS := newConsumer(t, b, "deals-js", "node", "../js-consumer/consumer.mjs")
	deals := newTable(t, b)
	examples := []*process{&inGo.process, &inJS.process, &deals.process}
	for _, p := range examples {
		p.start(t)
	}
	load := startLoad(t, b, rand.New(rand.NewPCG(seed, 1)))
	load.more(t, 50)

	for _, victim := range shuffled(random, append(append(examples, examples...), &b.process, &b.process, nil)) {
		load.more(t, 5+random.IntN(60))
		switch victim {
		case &b.process:
			b.kill(t)
			b.serve(t)
		case nil: // all at once, and the examples are back before the bridge is
			for _, p := range shuffled(random, append(examples, &b.process)) {
				p.kill(t)
			}
			tear(t, inGo.book)
			tear(t, inJS.book)
			for _, p := range examples {
				p.start(t)
			}
			b.serve(t)
		default:
			victim.kill(t)
			load.more(t, 10+random.IntN(50))
			victim.start(t)
			victim.works(t)
			victim.kill(t) // while it catches up
			victim.start(t)
		}
	}
	oneIsStopped(t, load, inGo, inJS, deals)
	oneIsStopped(t, load, inJS, inGo, deals)
	load.finish(t)
	b.backfill(t, "30m") // the deals that the load does not change
	settle(t, b, load.soFar(), deals, inGo, inJS)
}

func shuffled[E any](random *rand.Rand, of []E) []E {
	of = slices.Clone(of)
	random.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	return of
}

// oneIsStopped checks that a stopped consumer does not block others, and finishes what it has begun.
func oneIsStopped(t *testing.T, load *load, running, stopped *consumer, deals *table) {
	t.Helper()
	stopped.works(t)
	if err := stopped.end(t, syscall.SIGTERM); err != nil {
		t.Fatalf("%s after SIGTERM: %v\n%s", stopped.name, err, stopped.said)
	}
	had, read := stopped.handled(t), deals.reads(t)
	load.more(t, 100)
	acknowledged := load.soFar()
	until(t, 60*time.Second, running.said.String, func() bool { return running.hasAll(t, acknowledged) && deals.reads(t) > read })
	if now := stopped.handled(t); !maps.Equal(now, had) {
		t.Errorf("%s handles events after it has stopped", stopped.name)
	}
	stopped.start(t)
}

// settle waits until all events are handled, and compares the examples with the stream.
func settle(t *testing.T, b *bridge, acknowledged []answered, deals *table, consumers ...*consumer) {
	t.Helper()
	js := jetStream(t, b.nats)
	all := history(t, js)
	want, doubles := map[string]int{}, 0
	for _, e := range all {
		if e.subject == edits {
			doubles += want[e.id]
			want[e.id] = 1
		}
	}
	for _, a := range acknowledged {
		if a.Subject == edits && want[a.ID] == 0 {
			t.Errorf("the stream has lost %s, which was answered", a.ID)
		}
	}
	t.Logf("%d callbacks answered, %d events, %d edits of deals, %d of them twice", len(acknowledged), len(all), len(want), doubles)
	if len(want) < 200 || doubles == 0 {
		t.Errorf("too few events for a test")
	}
	for _, c := range consumers {
		until(t, 60*time.Second, func() string { return c.name + " leaves something undone\n" + c.said.String() }, func() bool { return c.done(t, js) })
		handled := c.handled(t)
		for id := range want {
			if handled[id] != 1 {
				t.Errorf("%s has handled %s %d times", c.name, id, handled[id])
			}
		}
		if len(handled) != len(want) {
			t.Errorf("%s has handled %d events, and there are %d", c.name, len(handled), len(want))
		}
		if !bytes.Contains(c.said.from(0), []byte("account "+account+" ")) {
			t.Errorf("%s does not print the account %s:\n%s", c.name, account, c.said)
		}
	}
	deals.compare(t, account)
	deals.rebuild(t, account)
	b.kill(t)
	for _, p := range []*process{&deals.process, &consumers[0].process, &consumers[1].process} {
		if err := p.end(t, syscall.SIGTERM); err != nil {
			t.Errorf("%s after SIGTERM, while the bridge is down: %v\n%s", p.name, err, p.said)
		}
	}
}

// done reports whether the consumer has acknowledged all of its events.
func (c *consumer) done(t *testing.T, js jetstream.JetStream) bool {
	t.Helper()
	durable, err := js.Consumer(t.Context(), "CRM", c.durable)
	if err != nil {
		t.Fatal(fmt.Errorf("consumer %s: %w", c.durable, err))
	}
	info := durable.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

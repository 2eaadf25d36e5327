package test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// When the stream is lost with its disk and a new one begins, in which sequences begin at 1, the examples go on with it.
func TestExamplesGoOnWithANewStream(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	inGo := newConsumer(t, b, "deals-go", filepath.Join(programs, "go-consumer"))
	inJS := newConsumer(t, b, "deals-js", "node", "../js-consumer/consumer.mjs")
	deals := newTable(t, b)
	for _, p := range []*process{&inGo.process, &inJS.process, &deals.process} {
		p.start(t)
	}
	haveAll := func(promised []answered) func() bool {
		return func() bool { return inGo.hasAll(t, promised) && inJS.hasAll(t, promised) && deals.hasAll(t, promised) }
	}
	load := startLoad(t, b.callbacks, rand.New(rand.NewPCG(1, 1)))
	load.more(t, 100)
	load.stop()
	promised := load.soFar()
	until(t, 30*time.Second, inGo.said.String, haveAll(promised))
	before := deals.reads(t)

	b.kill(t)
	if err := os.RemoveAll(filepath.Join(b.dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	b.serve(t)
	load = startLoad(t, b.callbacks, rand.New(rand.NewPCG(1, 2)))
	load.more(t, 20)
	load.stop()
	promised = load.soFar()
	until(t, 60*time.Second, func() string { return inGo.said.String() + inJS.said.String() + deals.said.String() }, func() bool {
		return deals.reads(t) < before && haveAll(promised)()
	})
}

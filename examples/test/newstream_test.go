package test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// When the streams are lost with their disk and replaced by new ones, whose sequences begin at 1, the examples continue with them; the
// table has again what a backfill reads from the CRM.
func TestExamplesGoOnWithANewStream(t *testing.T) {
	t.Parallel()
	b := startBridge(t, startCRM(t))
	inGo := newConsumer(t, b, "deals-go", filepath.Join(programs, "go-consumer"))
	inJS := newConsumer(t, b, "deals-js", "node", "../js-consumer/consumer.mjs")
	deals := newTable(t, b)
	for _, p := range []*process{&inGo.process, &inJS.process, &deals.process} {
		p.start(t)
	}
	haveAll := func(acknowledged []answered) bool {
		return inGo.hasAll(t, acknowledged) && inJS.hasAll(t, acknowledged)
	}
	load := startLoad(t, b, rand.New(rand.NewPCG(1, 1)))
	load.more(t, 100)
	load.finish(t)
	acknowledged := load.soFar()
	until(t, 30*time.Second, inGo.said.String, func() bool { return haveAll(acknowledged) })
	b.backfill(t, "30m")
	deals.compare(t, "default")
	before := deals.reads(t)

	b.kill(t)
	if err := os.RemoveAll(filepath.Join(b.dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	b.serve(t)
	load = startLoad(t, b, rand.New(rand.NewPCG(1, 2)))
	load.more(t, 20)
	load.finish(t)
	acknowledged = load.soFar()
	until(t, 60*time.Second, func() string { return inGo.said.String() + inJS.said.String() + deals.said.String() }, func() bool {
		return deals.reads(t) < before && haveAll(acknowledged)
	})
	b.backfill(t, "0s")
	deals.compare(t, "default")
}

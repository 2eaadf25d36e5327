package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Workers handle each event of a deal once, and those of one deal in the order of the stream, although they and the bridge are killed,
// and one of them does not come back.
func TestWorkersKeepTheOrderOfEachRecord(t *testing.T) {
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			divide(t, mode)
		})
	}
}

func divide(t *testing.T, mode string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	b := startBridge(t, startCRM(t), "BRIDGE_EVENT_MODE="+mode, "BRIDGE_EVENT_PER=record")
	book := filepath.Join(t.TempDir(), "book.jsonl")
	workers := make([]*process, 3)
	for i := range workers {
		workers[i] = &process{
			name: fmt.Sprintf("worker %d", i), args: []string{filepath.Join(programs, "workers")}, env: []string{"NATS_URL=" + b.nats, "BOOK=" + book}, said: &said{},
		}
		workers[i].start(t)
	}
	load := startLoad(t, b, rand.New(rand.NewPCG(seed, 1)))
	for _, victim := range shuffled(random, slices.Concat(workers, []*process{&b.process, nil, nil})) {
		load.more(t, 50+random.IntN(100))
		switch victim {
		case &b.process:
			b.kill(t)
			b.serve(t)
		case nil: // all at once, and one again while they catch up
			for _, p := range workers {
				p.kill(t)
			}
			tear(t, book)
			load.more(t, 200)
			for _, p := range workers {
				p.start(t)
			}
			again := workers[random.IntN(len(workers))]
			again.works(t)
			again.kill(t)
			again.start(t)
		default:
			victim.kill(t)
			load.more(t, 20+random.IntN(50))
			victim.start(t)
		}
	}
	dead := workers[random.IntN(len(workers))]
	dead.kill(t)
	load.more(t, 50)
	load.finish(t)

	events := map[string]bool{}
	for _, e := range history(t, jetStream(t, b.nats)) {
		if strings.HasPrefix(e.subject, "crm.zoho.Deals.") {
			events[e.id] = true
		}
	}
	var lines []bookLine
	until(t, 60*time.Second, func() string { return fmt.Sprintf("%d events are handled of %d", len(lines), len(events)) }, func() bool {
		lines = readBook(t, book)
		return len(lines) >= len(events)
	})
	checkOrder(t, lines, events)
	for _, p := range workers {
		if p == dead {
			continue
		}
		if err := p.end(t, syscall.SIGTERM); err != nil {
			t.Errorf("%s after SIGTERM: %v\n%s", p.name, err, p.said)
		}
	}
}

// checkOrder checks that each event has one line, and that the lines of a record are in the order of the stream.
func checkOrder(t *testing.T, lines []bookLine, events map[string]bool) {
	t.Helper()
	last, by, handled := map[string]uint64{}, map[int]int{}, map[string]bool{}
	for _, l := range lines {
		if !events[l.ID] || handled[l.ID] {
			t.Errorf("%s is handled, and is not an event or was handled before", l.ID)
		}
		if l.Sequence <= last[l.Key] {
			t.Errorf("%s is handled after %d: %d of %s", l.ID, last[l.Key], l.Sequence, l.Key)
		}
		handled[l.ID], last[l.Key] = true, l.Sequence
		by[l.Worker]++
	}
	t.Logf("%d events of %d records, by process: %v", len(lines), len(last), by)
	if len(lines) < 200 || len(last) < 10 || len(by) < 3 {
		t.Error("too little for a test")
	}
}

type bookLine struct {
	ID, Key  string
	Sequence uint64
	Worker   int
}

// readBook returns the lines of the workers' book.
func readBook(t *testing.T, path string) (lines []bookLine) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for text := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		var l bookLine
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		lines = append(lines, l)
	}
	return lines
}

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The Python table is that of the CRM, although it and the bridge are killed. It needs the package nats-py, which the project's workflow
// installs: with PYTHON_EXAMPLE=required the test fails without it.
func TestPythonTable(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "python3", "-c", "import nats").CombinedOutput(); err != nil {
		if os.Getenv("PYTHON_EXAMPLE") == "required" {
			t.Fatalf("without nats-py: %v %s", err, out)
		}
		t.Skipf("without nats-py: %v %s", err, out)
	}
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, startCRM(t), "BRIDGE_EVENT_MODE="+mode)
			p := &process{name: "python-table", args: []string{"python3", "../python-table/table.py"}, env: []string{"NATS_URL=" + b.nats}, said: &said{}}
			if path := os.Getenv("PYTHONPATH"); path != "" {
				p.env = append(p.env, "PYTHONPATH="+path)
			}
			p.start(t)
			load := startLoad(t, b, rand.New(rand.NewPCG(1, 1)))
			load.more(t, 200)
			b.kill(t)
			b.serve(t)
			load.more(t, 200)
			p.kill(t)
			p.start(t)
			load.more(t, 200)
			load.finish(t)
			b.backfill(t, "30m")
			want := decimalsAsText(b.crm.deals())
			var differs string
			until(t, 90*time.Second, func() string { return differs + "\n" + p.said.String() }, func() bool {
				differs = "not complete"
				if rows, complete := printed(t, p.said.from(p.begins)); complete {
					differs = difference(t, want, rows, "zoho/default/Deals/")
				}
				return differs == ""
			})
		})
	}
}

// printed returns the table that the program's lines make, and whether it is complete.
func printed(t *testing.T, text []byte) (rows map[string]map[string]any, complete bool) {
	t.Helper()
	for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		var said struct {
			Begins, Deal string
			Record       map[string]any
			Complete     *int
		}
		switch err := json.Unmarshal(line, &said); {
		case err != nil: // what it says on stderr
		case said.Begins != "":
			rows, complete = map[string]map[string]any{}, false
		case said.Complete != nil:
			complete = true
		case said.Record == nil:
			delete(rows, said.Deal)
		default:
			rows[said.Deal] = said.Record
		}
	}
	return rows, complete
}

// decimalsAsText returns deals with the numbers that have a fraction as the program prints them.
func decimalsAsText(deals map[string]values) map[string]values {
	for _, deal := range deals {
		for field, text := range deal {
			if strings.Contains(string(text), ".") && !strings.HasPrefix(string(text), `"`) {
				deal[field] = fmt.Appendf(nil, "%q", text)
			}
		}
	}
	return deals
}

//go:build linux

// Command faults cuts the power of a bridge under load, and compares every 200 with what its stream holds afterwards.
//
// It takes root and Linux: the bridge's data folder is on a file system in an image file. While callbacks are answered the
// bridge is stopped for a moment and the image copied. The copy is what a power cut would have left: all that reached the
// device, and nothing of what waited in memory. A bridge started on the copy must then hold every event that was answered
// before. With BRIDGE_SYNC=1h, which promises no such thing, events must be missing: else the test would prove nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"
)

func main() {
	cuts := flag.Int("cuts", 3, "power cuts for each way")
	each := flag.Duration("load", 2*time.Second, "load before each cut")
	connections := flag.Int("connections", 64, "connections that send at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *cuts, *each, *connections); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// way is a configuration to cut the power of, and what is to be seen of it.
type way struct {
	name  string
	env   []string
	loses bool // it promises nothing, so something must be missing
}

var ways = []way{
	{"commit", []string{"BRIDGE_SYNC=commit"}, false},
	{"commit, stream at its limit", []string{"BRIDGE_SYNC=commit", "BRIDGE_STREAM_MAX_BYTES=10MiB"}, false},
	{"server", []string{"BRIDGE_SYNC=server"}, false},
	{"1h: no sync behind an answer", []string{"BRIDGE_SYNC=1h"}, true},
}

func run(ctx context.Context, cuts int, each time.Duration, connections int) error {
	folder, err := os.MkdirTemp("", "crm-bridge-faults-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	program := filepath.Join(folder, "crm-bridge")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/crm-bridge").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "BRIDGE_SYNC\tcut\tanswered before it\tanswers/s\tmissing\tdouble\tdropped at the limit\tblocks\t")
	var failures []error
	for _, w := range ways {
		lost := 0
		results, err := cutPower(ctx, folder, program, w, cuts, each, connections)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		for i, r := range results {
			lost += r.missing
			_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%.0f\t%d\t%d\t%d\t%d\t\n", w.name, i+1, r.answered, r.rate, r.missing, r.double, r.dropped, r.blocks)
		}
		if lost > 0 && !w.loses {
			failures = append(failures, fmt.Errorf("%s: %d answered events are missing", w.name, lost))
		}
		if lost == 0 && w.loses {
			failures = append(failures, fmt.Errorf("%s: nothing is missing, so this cut proves nothing", w.name))
		}
	}
	return errors.Join(table.Flush(), errors.Join(failures...))
}

// Command records measures how the bridge keeps records: how late a state is, what a bulk change and a snapshot of a module cost.
//
// It starts the built crm-bridge in front of a Zoho CRM in its own process, whose API takes its time for each answer, posts callbacks
// and runs crm-bridge backfill, and reads the stream of records as a consumer does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "records:", err)
		os.Exit(1)
	}
}

// measuring is a run.
type measuring struct {
	program, dir string
	delay        time.Duration // of each answer of the CRM's API
	rate, deals  int           // callbacks a second for span, over so many records
	span         time.Duration
	bulk         int // records that are changed at once
	snapshot     int // records of the module that is backfilled

	steady lateness
	burst  bulkChange
	whole  snapshot
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("records", flag.ContinueOnError)
	var m measuring
	flags.DurationVar(&m.delay, "delay", 100*time.Millisecond, "before each answer of the CRM's API")
	flags.IntVar(&m.rate, "rate", 50, "callbacks a second")
	flags.DurationVar(&m.span, "span", 20*time.Second, "how long they come")
	flags.IntVar(&m.deals, "deals", 2000, "records that they are about, in turn")
	flags.IntVar(&m.bulk, "bulk", 20_000, "records that are changed at once")
	flags.IntVar(&m.snapshot, "snapshot", 200_000, "records of the module that is backfilled")
	flags.StringVar(&m.program, "bridge", "", "built crm-bridge to measure (default: it is built)")
	page := flags.String("write", "", "file whose part about records is rewritten, such as docs/performance.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if min(m.rate, m.deals, m.bulk, m.snapshot) < 1 || m.span < time.Second {
		return errors.New("-rate, -deals, -bulk and -snapshot must be positive, -span at least 1s")
	}
	if m.dir, err = os.MkdirTemp("", "crm-bridge-records-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.dir)) }()
	if m.program == "" {
		m.program = filepath.Join(m.dir, "crm-bridge")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", m.program, "./cmd/crm-bridge").CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w: %s", err, out)
		}
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"callbacks", m.callbacks}, {"bulk change", m.changeAll}, {"snapshot", m.backfill}} {
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	var text strings.Builder
	m.describe(&text)
	if _, err := io.WriteString(os.Stdout, text.String()); err != nil || *page == "" {
		return err
	}
	return generated.Rewrite(*page, text.String())
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/process"
)

// snapshot is what a backfill of a whole module costs.
type snapshot struct {
	read, settled   time.Duration // since the start of the command: its end, and the last state
	pages, reads    int64
	command, bridge process.Usage
	states          uint64
}

// backfill runs the command, and waits until the stream has a state of each record.
func (m *measuring) backfill(ctx context.Context) error {
	s, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, m.program, "backfill", "zoho", "--module", listed, "--since", firstChange.Format(time.DateOnly))
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), s.env...), &out, &errs
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%s: %w: %s", cmd.Path, err, &errs)
			}
			running = false
		case <-time.After(lookEvery):
			// After its exit the system knows nothing of the process.
			if used, err := process.UsageOf(cmd.Process.Pid); err == nil && used.Peak > 0 {
				m.whole.command = used
			}
		}
	}
	m.whole.read = time.Since(began)
	var done struct{ Records int }
	if err := json.Unmarshal(out.Bytes(), &done); err != nil || done.Records < m.snapshot {
		return fmt.Errorf("the command read %d of %d records: %w: %s", done.Records, m.snapshot, err, &out)
	}
	if err := s.await(ctx, m.snapshot); err != nil {
		return err
	}
	m.whole.settled, m.whole.pages, m.whole.reads = time.Since(began), s.crm.pages.Load(), s.crm.reads.Load()
	if m.whole.states, err = s.states(ctx); err != nil {
		return err
	}
	m.whole.bridge, _, err = s.Usage()
	return err
}

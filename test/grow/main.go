// Command grow measures what a bridge costs whose stores are large: how long it takes to start and how much memory, and how long
// it takes to answer at its admin address, with millions of events, many subjects, a full quarantine and a full duplicates window.
//
// The stores are made once, by the bridge and through the NATS server that it embeds, and kept in -dir for the next run. Each
// measurement works on the store that the one before it has left; nothing in it is deleted but the callbacks that it drops.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "grow:", err)
		os.Exit(1)
	}
}

// part is a part of a run, which yields rows of the table.
type part struct {
	name  string
	own   bool // it works on a store of its own, which it makes and removes
	takes func(p plan, ctx context.Context) ([]row, error)
}

var parts = []part{{"start", false, plan.starts}, {"answers", false, plan.answers}, {"ids", true, plan.window}, {"records", true, plan.states}}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("grow", flag.ContinueOnError)
	var p plan
	flags.IntVar(&p.events, "events", 5_000_000, "events in the store")
	flags.IntVar(&p.subjects, "subjects", 10_000, "subjects of these events")
	flags.IntVar(&p.quarantined, "quarantined", 100_000, "callbacks in quarantine")
	flags.IntVar(&p.ids, "ids", 300_000, "ids in the duplicates window; the default is all that a bridge without a memory limit keeps")
	flags.IntVar(&p.records, "records", 1_000_000, "records with a state each; about 0.8 KB a record")
	flags.IntVar(&p.rounds, "rounds", 3, "measurements of each start and answer")
	flags.StringVar(&p.dir, "dir", filepath.Join(os.TempDir(), "crm-bridge-grow"), "folder of the stores, which are made where they are missing; about 1.3 KB an event")
	flags.StringVar(&p.program, "program", "", "a built crm-bridge; default: this source")
	only := flags.String("only", "", "comma-separated parts: start, answers, ids, records; fill only makes the stores; default: all")
	page := flags.String("write", "", "page whose part about growth is rewritten, such as docs/performance.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if min(p.events, p.subjects, p.quarantined, p.ids, p.rounds) < 1 || p.records < replaced {
		return fmt.Errorf("-events, -subjects, -quarantined, -ids and -rounds must be positive, -records at least %d", replaced)
	}
	wanted, own := parts, false
	if *only != "" {
		wanted = slices.DeleteFunc(slices.Clone(parts), func(one part) bool { return !slices.Contains(strings.Split(*only, ","), one.name) })
		own = len(wanted) > 0 && !slices.ContainsFunc(wanted, func(one part) bool { return !one.own })
	}
	if err := p.prepare(ctx, own); err != nil {
		return err
	}
	var rows []row
	for _, one := range wanted {
		more, err := one.takes(p, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		rows = append(rows, more...)
	}
	var text strings.Builder
	p.describe(&text, rows)
	if _, err := io.WriteString(os.Stdout, text.String()); err != nil || *page == "" {
		return err
	}
	return generated.Rewrite(*page, text.String())
}

// prepare builds the bridge, and makes the store of events and quarantined callbacks where it is missing, unless all parts have their own.
func (p *plan) prepare(ctx context.Context, own bool) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("-dir: %w", err)
	}
	if p.program == "" {
		p.program = filepath.Join(p.dir, "crm-bridge")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.program, "./cmd/crm-bridge").CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w: %s", err, out)
		}
	}
	if _, err := os.Stat(p.store()); err == nil || own {
		return nil
	}
	making := p.store() + ".new"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	b, err := p.start(ctx, making) // it makes the streams
	if err != nil {
		return err
	}
	if err := b.stop(); err != nil {
		return err
	}
	if err := p.fill(ctx, making); err != nil {
		return err
	}
	return os.Rename(making, p.store())
}

// Command bench measures the bridge beside a floor, the minimum that a program between HTTP and JetStream can do.
//
// All subjects are measured in one run, alternately and several times, each in a process and a folder of its own, under the same load, so
// that numbers of one run can be compared. A single number says little, because the load runs on the same cores. docs/performance.md
// explains the tables.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/crm-bridge/crm-bridge/test/bench/floor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// hidden are commands of this program that it starts itself.
var hidden = map[string]func(ctx context.Context, args []string) error{
	"floor":  floor.Serve,
	"remote": floor.Remote,
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && hidden[args[0]] != nil {
		return hidden[args[0]](ctx, args[1:])
	}
	c, err := parse(args)
	if err != nil {
		return err
	}
	if c.dir, err = os.MkdirTemp(c.dir, "crm-bridge-bench-"); err != nil {
		return fmt.Errorf("-dir: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	if err := c.build(ctx, slices.Contains(c.parts, partProfile)); err != nil {
		return err
	}
	seen, err := c.measure(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if c.smoke {
		return smoke(os.Stdout, seen)
	}
	var text strings.Builder
	describe(ctx, &text, c.plan, seen)
	if _, err := io.WriteString(os.Stdout, text.String()); err != nil || c.page == "" {
		return err
	}
	return generated.Rewrite(c.page, text.String())
}

// Command replay measures crm-bridge replay beside a bare ordered consumer.
//
// It fills a stream with events as the bridge stores them, and reads all of them alternately: with the built
// crm-bridge replay --to stdout, and with an ordered consumer of nats.go that does nothing but count. Both are processes
// of their own, in front of the same NATS server.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) > 1 && args[0] == bareCommand {
		return bare(ctx, args[1])
	}
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	events := flags.Int("events", 200_000, "events in the stream")
	rounds := flags.Int("rounds", 3, "rounds, each with both")
	page := flags.String("write", "", "file whose part about replay is rewritten, such as docs/performance.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *events < 1 || *rounds < 1 {
		return errors.New("-events and -rounds must be more than nothing")
	}
	dir, err := os.MkdirTemp("", "crm-bridge-replay-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program := filepath.Join(dir, "crm-bridge")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/crm-bridge").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	seen, err := measure(ctx, program, filepath.Join(dir, "store"), *events, *rounds)
	if err != nil {
		return err
	}
	var text strings.Builder
	seen.describe(&text)
	if _, err := io.WriteString(os.Stdout, text.String()); err != nil || *page == "" {
		return err
	}
	return generated.Rewrite(*page, text.String())
}

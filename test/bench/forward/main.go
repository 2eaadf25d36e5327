// Command forward measures how the bridge forwards its journal beside nats.go's own asynchronous publish.
//
// It fills a journal, and lets the built crm-bridge forward a copy of it to a NATS server in a process of its own. The same messages are
// published to such a server with PublishMsgAsync, once from memory and once as they are pulled from a copy of the journal. Last it
// sends callbacks to a bridge that has all of the journal to catch up on.
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
		fmt.Fprintln(os.Stderr, "forward:", err)
		os.Exit(1)
	}
}

// hidden are commands of this program that it starts itself.
var hidden = map[string]func(ctx context.Context, args []string) error{
	"remote": remote, // folder
	"memory": memory, // URL, events
	"pull":   pull,   // URL, events, data folder
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && hidden[args[0]] != nil {
		return hidden[args[0]](ctx, args[1:])
	}
	flags := flag.NewFlagSet("forward", flag.ContinueOnError)
	events := flags.Int("events", 100_000, "events in the journal")
	rounds := flags.Int("rounds", 3, "rounds, each with all ways")
	connections := flags.Int("live", 64, "connections that send callbacks while the journal is forwarded; 0: skip that part")
	built := flags.String("bridge", "", "built crm-bridge to measure (default: it is built)")
	page := flags.String("write", "", "file whose part about forwarding is rewritten, such as docs/performance.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *events < 100 || *rounds < 1 {
		return errors.New("-events must be at least 100 and -rounds 1")
	}
	dir, err := os.MkdirTemp("", "crm-bridge-forward-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if *built == "" {
		*built = filepath.Join(dir, "crm-bridge")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", *built, "./cmd/crm-bridge").CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w: %s", err, out)
		}
	}
	m := &measuring{program: *built, dir: dir, events: *events, connections: *connections}
	if err := m.run(ctx, *rounds); err != nil {
		return err
	}
	var text strings.Builder
	m.describe(&text)
	if _, err := io.WriteString(os.Stdout, text.String()); err != nil || *page == "" {
		return err
	}
	return generated.Rewrite(*page, text.String())
}

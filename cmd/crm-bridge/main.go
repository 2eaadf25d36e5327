// Command crm-bridge receives the callbacks of CRMs and stores each as a CloudEvent in NATS JetStream before it answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, terminal.ErrSilent):
		return 1
	case ctx.Err() != nil && errors.Is(err, context.Canceled): // a signal, and what else it led to is of no interest
		err = errInterrupted
	case errors.Is(err, terminal.ErrUsage) || strings.HasPrefix(err.Error(), "unknown command"):
		terminal.Say(stderr, "crm-bridge: %s (%s --help shows how)\n", terminal.VisibleLines(strings.TrimPrefix(terminal.Plainly(err), terminal.ErrUsage.Error()+": ")), cmd.CommandPath())
		return 2
	}
	terminal.Say(stderr, "crm-bridge: %s\n", terminal.VisibleLines(terminal.Plainly(err)))
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:     "crm-bridge",
		Short:   "Receive the callbacks of CRMs as CloudEvents in JetStream",
		Version: config.Release,
		Long: `crm-bridge receives the callbacks of CRMs, authenticates them, and stores each as a CloudEvent in NATS JetStream
before it answers. Without a command it runs serve.`,
		Example:       "  crm-bridge                        serve callbacks on :8080, events on nats://127.0.0.1:4222\n  crm-bridge send                   send a first callback to it\n  crm-bridge tail 'crm.>'           watch the events",
		Args:          noArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: serve,
	}
	root.SetHelpCommand(&cobra.Command{
		Use: "help [command]", Short: "Help about a command", Example: "  crm-bridge help send", Args: atMostOneArg,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, _, err := root.Find(args)
			if err != nil || len(args) > 0 && cmd == root {
				return fmt.Errorf("%w: there is no command %q", terminal.ErrUsage, args[0])
			}
			return cmd.Help()
		},
	})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", terminal.ErrUsage, err) })
	root.AddCommand(serveCommand(), demoCommand(), sendCommand(), connectCommand(), statusCommand(), tailCommand(), recordCommand(), replayCommand(), copyCommand(), quarantineCommand(), channelsCommand(), consumersCommand(), backfillCommand(), eraseCommand(), checkCommand(), configCommand(), versionCommand(), completionCommand(), manCommand())
	return root
}

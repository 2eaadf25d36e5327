// Command crm-bridge receives the callbacks of CRMs and answers when each is safe in NATS JetStream as a CloudEvent.
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

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/spf13/cobra"
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

// errUsage marks an error of whoever typed the command.
var errUsage = errors.New("wrong usage")

// errSilent is returned by a command that has already said why it failed.
var errSilent = errors.New("failed")

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
	case errors.Is(err, errSilent):
		return 1
	case ctx.Err() != nil && errors.Is(err, context.Canceled): // a signal, and what else it led to is of no interest
		err = errInterrupted
	case errors.Is(err, errUsage) || strings.HasPrefix(err.Error(), "unknown command"):
		terminal.Say(stderr, "crm-bridge: %s (%s --help shows how)\n", terminal.VisibleLines(strings.TrimPrefix(terminal.Plainly(err), errUsage.Error()+": ")), cmd.CommandPath())
		return 2
	}
	terminal.Say(stderr, "crm-bridge: %s\n", terminal.VisibleLines(terminal.Plainly(err)))
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:     "crm-bridge",
		Short:   "Receives the callbacks of CRMs and keeps each as a CloudEvent in NATS JetStream.",
		Version: config.Release,
		Long: `crm-bridge receives the callbacks of CRMs, authenticates them, turns each into a CloudEvent,
and answers only when the event is safe in NATS JetStream. Without a command it serves.`,
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
				return fmt.Errorf("%w: there is no command %q", errUsage, args[0])
			}
			return cmd.Help()
		},
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(serveCommand(), demoCommand(), sendCommand(), tailCommand(), replayCommand(), quarantineCommand(), channelsCommand(), backfillCommand(), checkCommand(), configCommand(), versionCommand(), manCommand())
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !cmd.HasSubCommands():
		return fmt.Errorf("%w: %s takes no argument %q", errUsage, cmd.CommandPath(), args[0])
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; the nearest is " + near[0]
	}
	return fmt.Errorf("%w: %s", errUsage, text)
}

func atMostOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%w: %s takes one argument, not %d", errUsage, cmd.CommandPath(), len(args))
	}
	return nil
}

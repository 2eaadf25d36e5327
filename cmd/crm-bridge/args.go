package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// noArgs rejects arguments, and names the command that was probably meant.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !cmd.HasSubCommands():
		return fmt.Errorf("%w: %s takes no argument %q", terminal.ErrUsage, cmd.CommandPath(), args[0])
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; the nearest is " + near[0]
	}
	return fmt.Errorf("%w: %s", terminal.ErrUsage, text)
}

// atMostOneArg rejects more than one argument.
func atMostOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%w: %s takes one argument, not %d", terminal.ErrUsage, cmd.CommandPath(), len(args))
	}
	return nil
}

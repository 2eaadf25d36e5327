package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// shells are those that a completion script exists for.
func shells(root *cobra.Command) map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"bash":       func(out io.Writer) error { return root.GenBashCompletionV2(out, true) },
		"zsh":        root.GenZshCompletion,
		"fish":       func(out io.Writer) error { return root.GenFishCompletion(out, true) },
		"powershell": root.GenPowerShellCompletionWithDesc,
	}
}

func completionCommand() *cobra.Command {
	names := slices.Sorted(maps.Keys(shells(&cobra.Command{})))
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long: `Print the script that completes commands, flags and their values in a shell: ` + bridge.Enumerate(names, "or") + `. Kinds, providers
and accounts come from the program and the environment; modules, subjects, jobs and ids are asked of the bridge, for a second at most.`,
		Example: `  source <(crm-bridge completion bash)
  crm-bridge completion bash > ~/.local/share/bash-completion/completions/crm-bridge
  crm-bridge completion zsh > "${fpath[1]}/_crm-bridge"
  crm-bridge completion fish > ~/.config/fish/completions/crm-bridge.fish`,
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(names, args[0]) {
				return fmt.Errorf("%w: %s takes the name of a shell: %s", terminal.ErrUsage, cmd.CommandPath(), strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return shells(cmd.Root())[args[0]](cmd.OutOrStdout())
		},
	}
}

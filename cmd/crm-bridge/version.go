package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the Go version",
		Example: "  crm-bridge version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON || !terminal.IsTerminal(cmd.OutOrStdout()) {
				return terminal.JSONEncoder(cmd.OutOrStdout()).Encode(map[string]string{"version": config.Release, "commit": config.Commit, "go": runtime.Version()})
			}
			terminal.Say(cmd.OutOrStdout(), "crm-bridge %s (commit %s, %s)\n", config.Release, config.Commit, runtime.Version())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, also on a terminal")
	return cmd
}

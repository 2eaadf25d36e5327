package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the Go that built it",
		Example: "  crm-bridge version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			built := commit
			if info, ok := debug.ReadBuildInfo(); ok && built == "" {
				for _, setting := range info.Settings {
					if setting.Key == "vcs.revision" {
						built = setting.Value
					}
				}
			}
			if built == "" {
				built = "unknown"
			}
			if asJSON || !isTerminal(cmd.OutOrStdout()) {
				return newEncoder(cmd.OutOrStdout()).Encode(map[string]string{"version": release, "commit": built, "go": runtime.Version()})
			}
			say(cmd.OutOrStdout(), "crm-bridge %s (commit %s, %s)\n", release, built, runtime.Version())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, also on a terminal")
	return cmd
}

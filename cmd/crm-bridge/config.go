package main

import (
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/systemd"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func configCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "List every variable, its value and its origin",
		Long:    "List every variable, its value and where it came from; secrets are masked. NAME_FILE in place of NAME reads any of them from a file.",
		Example: "  crm-bridge config\n  crm-bridge config --json | jq 'select(.from != \"default\")'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			env := &config.Environment{}
			if _, _, err := client.Load(env); err != nil {
				return err
			}
			socket, err := systemd.Socket()
			if err != nil {
				return err
			}
			if socket != nil {
				env.Replace("BRIDGE_LISTEN", socket.Addr().String(), "systemd socket")
			}
			return printConfig(cmd.OutOrStdout(), env.All(bridge.Known().Providers()), asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	cmd.AddCommand(configCheckCommand())
	return cmd
}

func printConfig(out io.Writer, variables []config.Variable, asJSON bool) error {
	if asJSON {
		return terminal.WriteJSONLines(out, variables)
	}
	providers := bridge.Known().Providers()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	terminal.Say(table, "VARIABLE\tVALUE\tFROM\tMEANING\n")
	for i, v := range variables {
		switch owner := v.Owner(providers); {
		case i == 0:
			terminal.Say(table, "crm-bridge\t\t\t\n")
		case owner != variables[i-1].Owner(providers):
			terminal.Say(table, "\t\t\t\n%s\t\t\t\n", owner)
		}
		terminal.Say(table, "%s\t%s\t%s\t%s\n", v.Name, v.Value, v.From, v.Meaning)
	}
	return table.Flush()
}

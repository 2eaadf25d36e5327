package main

import (
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
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
			env := &environment{}
			if _, _, err := loadClient(env); err != nil {
				return err
			}
			return printConfig(cmd.OutOrStdout(), env.all(providers()), asJSON || !isTerminal(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	return cmd
}

func printConfig(out io.Writer, variables []variable, asJSON bool) error {
	if asJSON {
		encoder := newEncoder(out)
		for _, v := range variables {
			if err := encoder.Encode(v); err != nil {
				return err
			}
		}
		return nil
	}
	known := providers()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	say(table, "VARIABLE\tVALUE\tFROM\tMEANING\n")
	for i, v := range variables {
		switch provider := v.provider(known); {
		case i == 0:
			say(table, "crm-bridge\t\t\t\n")
		case provider != variables[i-1].provider(known):
			say(table, "\t\t\t\n%s\t\t\t\n", provider)
		}
		say(table, "%s\t%s\t%s\t%s\n", v.Name, v.Value, v.From, v.Meaning)
	}
	return table.Flush()
}

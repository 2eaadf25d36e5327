package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/simulate"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func demoCommand() *cobra.Command {
	var crm bool
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Show a bridge, callbacks and consumers in a few seconds",
		Long:    "Start a bridge in a temporary folder, send it samples of every supported callback, and show what two independent consumers receive.",
		Example: "  crm-bridge demo\n  crm-bridge demo --crm   # a subscription lapses and is repaired, in a simulated CRM",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := simulate.Demo
			if crm {
				show = simulate.DemoCRM
			}
			return terminal.WhileRead(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context) error { return show(ctx, cmd.OutOrStdout()) })
		},
	}
	cmd.Flags().BoolVar(&crm, "crm", false, "run a simulated CRM: a channel is enabled, lapses, and is repaired")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/simulate"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func demoCommand() *cobra.Command {
	var crm, stay bool
	var show simulate.Stay
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a bridge, callbacks and consumers in a few seconds",
		Long: `Start a bridge in a temporary folder, send it samples of every supported callback, and show what two independent consumers receive.

With --crm: simulated CRMs lose the bridge's subscriptions, and the bridge repairs them. With --stay as well, they stay until Ctrl-C: a
page has buttons that change records, lose channels and callbacks, send wrong tokens and let the CRM's API fail, so that you can watch
it in the console, without an account in any CRM. The ports are the usual ones of a bridge, where they are free.`,
		Example: "  crm-bridge demo\n  crm-bridge demo --crm          # subscriptions are lost and repaired, in simulated CRMs\n  crm-bridge demo --crm --stay   # play with them, and look at the console",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run := simulate.Demo
			switch flags := cmd.Flags(); {
			case stay && !crm:
				return fmt.Errorf("%w: --stay belongs to --crm", terminal.ErrUsage)
			case !stay && (flags.Changed("data") || flags.Changed("every")):
				return fmt.Errorf("%w: --data and --every belong to --crm --stay", terminal.ErrUsage)
			case show.Every < 0:
				return fmt.Errorf("%w: --every must not be negative", terminal.ErrUsage)
			case stay:
				run = show.Run
			case crm:
				run = simulate.DemoCRM
			}
			return terminal.WhileRead(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context) error { return run(ctx, cmd.OutOrStdout()) })
		},
	}
	cmd.Flags().BoolVar(&crm, "crm", false, "run simulated CRMs: subscriptions are enabled, get lost, and are repaired")
	cmd.Flags().BoolVar(&stay, "stay", false, "with --crm: stay until Ctrl-C, with a page of buttons and the console")
	cmd.Flags().StringVar(&show.Data, "data", "", "with --stay: folder of the bridge, which is kept (default: a temporary one)")
	cmd.Flags().DurationVar(&show.Every, "every", 3*time.Second, "with --stay: how often a record changes by itself; 0s: never")
	return cmd
}

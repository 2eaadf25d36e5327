package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// connectOptions are the flags of connect.
type connectOptions struct {
	account, module, event string
	timeout                time.Duration
	json                   bool
}

func connectCommand() *cobra.Command {
	var o connectOptions
	cmd := &cobra.Command{
		Use:   "connect PROVIDER",
		Short: "Show what to paste into a CRM, and check the way",
		Long: `Show what to paste into a CRM so that it calls this bridge: URLs, bodies of API calls, tokens, and the variables that the bridge
needs. The output holds secrets, marked as such. Secrets that are missing are made: in BRIDGE_DATA_DIR, as the embedded bridge does
at its start; with BRIDGE_NATS_URL as lines to set. It works beside a running bridge and before the first start; run it as
the bridge's own user, with its environment.

Then check that BRIDGE_PUBLIC_URL leads to a bridge that has the same secrets; if not, say what failed, and exit with 1. The secrets are
not compared, and a note says so, over plain http beyond this machine, from an address that BRIDGE_ALLOW of the bridge does not
contain, and where one is shorter than 12 characters. Without BRIDGE_PUBLIC_URL the URLs have the host of an example.`,
		Example: bridge.Known().Example(`  crm-bridge connect PROVIDER
  crm-bridge connect PROVIDER --module MODULE --event edit
  crm-bridge connect PROVIDER --account emea --json | jq -r '.instructions[].paste[]? | select(.kind == "url").value'`),
		Args:              connectArgs,
		ValidArgsFunction: completeWith(completeProviders(bridge.Known(), nil)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return fmt.Errorf("%w: --timeout must be more than 0s", terminal.ErrUsage)
			}
			return connect(cmd, args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.account, "account", "", "org of the CRM, by its name in events (default: the first)")
	flags.StringVar(&o.module, "module", "", "module whose changes are reported (default: what is configured, else an example)")
	flags.StringVar(&o.event, "event", "", "create, edit, delete, all, or a word of your own for what a workflow means (default: all)")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long to wait for the answer at BRIDGE_PUBLIC_URL")
	flags.BoolVar(&o.json, "json", false, "as JSON, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts, "module": completeModules, "event": completeOperations})
	return cmd
}

// connectArgs checks the argument PROVIDER.
func connectArgs(cmd *cobra.Command, args []string) error {
	providers := bridge.Enumerate(bridge.Known().Providers(), "and")
	switch {
	case len(args) != 1:
		return fmt.Errorf("%w: %s takes a provider; there are %s", terminal.ErrUsage, cmd.CommandPath(), providers)
	case bridge.Known().CRM(args[0]) == nil:
		return fmt.Errorf("%w: there is no provider %q; there are %s", terminal.ErrUsage, args[0], providers)
	}
	return nil
}

func connect(cmd *cobra.Command, provider string, o connectOptions) error {
	settings, orgs, made, err := client.LoadMaking(provider)
	if err != nil {
		return err
	}
	named := orgs.OfAccount(o.account)
	if len(named) == 0 {
		return fmt.Errorf("%w: %s has no org %q; %s", terminal.ErrUsage, provider, o.account, namesOf(orgs))
	}
	crm := named[0]
	connections, err := bridge.CRMs{crm}.Connections(settings.BaseURL(), o.module, o.event)
	if err != nil {
		return fmt.Errorf("%w: --module and --event: %w", terminal.ErrUsage, err)
	}
	if len(connections) == 0 {
		return fmt.Errorf("nothing is known of how %s is connected; see its documents", crm.Words.Name)
	}
	if o.json || !terminal.IsTerminal(cmd.OutOrStdout()) {
		err = terminal.WriteJSONLines(cmd.OutOrStdout(), connections)
	} else {
		err = terminal.PrintConnection(cmd.OutOrStdout(), crm.Words.Name, connections[0].Account, connections[0].Instructions)
	}
	if err != nil {
		return err
	}
	notes := cmd.ErrOrStderr()
	for _, file := range made {
		terminal.Say(notes, "made %s; a bridge that is already running uses it after a restart\n", file)
	}
	if further := orgs.Accounts(); len(orgs) > 1 && o.account == "" {
		terminal.Say(notes, "this is the first org; --account names another: %s\n", further)
	}
	if connections[0].Placeholder {
		terminal.Say(notes, "BRIDGE_PUBLIC_URL is not set: %s stands for the URL at which the CRM reaches the bridge, and nothing was checked\n", bridge.PlaceholderURL)
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	if doubt := bridge.DoubtURL(settings.BaseURL()); doubt != "" {
		terminal.Say(notes, "BRIDGE_PUBLIC_URL: %s\n", doubt)
	}
	unchecked, err := bridge.Probe(ctx, client.HTTP(nil), settings.BaseURL(), crm)
	switch {
	case err != nil:
		return crm.Explain(err)
	case unchecked != "":
		terminal.Say(notes, "a crm-bridge answers at %s; %s\n", settings.BaseURL(), unchecked)
	default:
		terminal.Say(notes, "this bridge answers at %s\n", settings.BaseURL())
	}
	return nil
}

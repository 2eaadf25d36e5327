package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

func channelsCommand() *cobra.Command {
	var account string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "channels",
		Short: "List and change the subscriptions in the CRMs",
		Long: `List the subscriptions that the running bridge keeps in the CRMs: their modules, when they expire, and when changes that had
no callback were last read from the CRM.`,
		Example: bridge.Known().Example("  crm-bridge channels\n  crm-bridge channels renew PROVIDER\n  crm-bridge channels disable PROVIDER MODULE"),
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askAdmin(cmd, http.MethodGet, "/channels", accountQuery(account), asJSON, noneYet(), printChannel)
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "only those of this account: an org's name, or the CRM's id of an account")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts})
	cmd.AddCommand(
		channelsChange("enable", "Resume disabled subscriptions"),
		channelsChange("renew", "Renew now; disabled subscriptions must be enabled first"),
		channelsChange("disable", "Unsubscribe until enabled again, without repairs"),
	)
	return cmd
}

func channelsChange(word, short string) *cobra.Command {
	var account string
	var asJSON bool
	cmd := &cobra.Command{
		Use: word + " PROVIDER [TARGET]", Short: short,
		Long:              short + ". TARGET is " + targets() + "; without it all subscriptions are changed.",
		Example:           bridge.Known().Example("  crm-bridge channels " + word + " PROVIDER MODULE\n  crm-bridge channels " + word + " PROVIDER"),
		ValidArgsFunction: completeWith(completeProviders(bridge.Known().Subscribable(), completeTargets)),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("%w: %s takes a provider, and optionally %s", terminal.ErrUsage, cmd.CommandPath(), targets())
			}
			if bridge.Known().Subscribable().CRM(args[0]) == nil {
				return fmt.Errorf("%w: there is no provider %q with subscriptions; there are %s", terminal.ErrUsage, args[0], bridge.Enumerate(bridge.Known().Subscribable().Providers(), "and"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			query := accountQuery(account)
			query.Set("provider", args[0])
			if len(args) == 2 {
				query.Set("target", args[1])
			}
			return askAdmin(cmd, http.MethodPost, "/channels/"+word, query, asJSON, noneYet(), printChannel)
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "only those of this account: an org's name, or the CRM's id of an account (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts})
	return cmd
}

func printChannel(out io.Writer, line []byte) error {
	var one status.Channel
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	text := fmt.Sprintf("%s  %s  %s  %s  %s  %s  %s  %s", one.Provider, one.Account, one.ID, strings.Join(one.Modules, ","), one.State, expiry(one.Channel, time.Now()),
		ago("last callback", "no callback since the start", one.LastCallback), ago("last repair", "no repair", one.LastRepair))
	if one.Problem != "" {
		text += "  " + one.Problem
	}
	terminal.Say(out, "%s\n", terminal.Visible(text))
	return nil
}

// noneYet is shown where no channel is listed.
func noneYet() string {
	var wanted []string
	for _, crm := range bridge.Known().Subscribable() {
		wanted = append(wanted, crm.Words.Wanted)
	}
	return "no subscription yet: " + bridge.Enumerate(wanted, "and") + " say which to keep, and the log says what failed"
}

// targets says what a change of channels may be limited to.
func targets() string {
	providers := map[string][]string{}
	for _, crm := range bridge.Known().Subscribable() {
		providers[crm.Words.Target] = append(providers[crm.Words.Target], crm.Provider)
	}
	var each []string
	for _, target := range slices.Sorted(maps.Keys(providers)) {
		each = append(each, "a "+target+" ("+strings.Join(slices.Sorted(slices.Values(providers[target])), ", ")+")")
	}
	return bridge.Enumerate(each, "or")
}

// expiry says when a channel expires. Only an active one can never do so.
func expiry(one ingest.Channel, now time.Time) string {
	at := one.Expires.Local().Format(time.DateTime)
	switch {
	case one.Expires.IsZero() && one.State == "active":
		return "never expires"
	case one.Expires.IsZero():
		return "not subscribed"
	case now.Before(one.Expires):
		return fmt.Sprintf("expires %s (%s left)", at, one.Expires.Sub(now).Round(time.Second))
	}
	return "expired " + at
}

func ago(what, never string, at *time.Time) string {
	if at == nil {
		return never
	}
	return what + " " + time.Since(*at).Round(time.Second).String() + " ago"
}

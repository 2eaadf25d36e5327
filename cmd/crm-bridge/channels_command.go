package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func channelsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "channels",
		Short:   "List the subscriptions that the bridge keeps alive, and change them",
		Long:    "List the subscriptions that the running bridge keeps in the CRMs: what they tell of, when they end, and what was repaired.",
		Example: "  crm-bridge channels\n  crm-bridge channels renew zoho\n  crm-bridge channels disable zoho Deals",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askAdmin(cmd, http.MethodGet, "/channels", nil, asJSON, printChannel)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	cmd.AddCommand(
		channelsChange("enable", "Enable what was disabled"),
		channelsChange("renew", "Renew at once, whenever they end"),
		channelsChange("disable", "End them, until they are enabled again; what happens meanwhile is not repaired"),
	)
	return cmd
}

func channelsChange(word, short string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: word + " PROVIDER [MODULE or PORTAL]", Short: short,
		Example: "  crm-bridge channels " + word + " zoho Deals\n  crm-bridge channels " + word + " zoho",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("%w: %s takes a provider, and may take one module of Zoho's or one portal's member_id", errUsage, cmd.CommandPath())
			}
			if _, ok := apis[args[0]]; !ok {
				return fmt.Errorf("%w: there is no provider %q", errUsage, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"provider": args[:1]}
			if len(args) == 2 {
				query.Set("target", args[1])
			}
			return askAdmin(cmd, http.MethodPost, "/channels/"+word, query, asJSON, printChannel)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	return cmd
}

func printChannel(out io.Writer, line []byte) error {
	var one channelLine
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	ends := "never ends"
	if !one.Expires.IsZero() {
		ends = fmt.Sprintf("ends %s (%s left)", one.Expires.Local().Format(time.DateTime), max(0, time.Until(one.Expires)).Round(time.Minute))
	}
	text := fmt.Sprintf("%s  %s  %s  %s  %s  %s  last callback %s  last repair %s", one.Provider, one.Account, one.ID, strings.Join(one.Modules, ","), one.State, ends, ago(one.LastCallback), ago(one.LastRepair))
	if one.Problem != "" {
		text += "  " + one.Problem
	}
	say(out, "%s\n", visible(text))
	return nil
}

func ago(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return time.Since(*at).Round(time.Second).String() + " ago"
}

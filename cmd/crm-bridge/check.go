package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/simulate"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

func checkCommand() *cobra.Command {
	var timeout time.Duration
	var round simulate.Roundtrip
	var roundtrip, asJSON bool
	cmd := &cobra.Command{
		Use:   "check [URL]",
		Short: "Check readiness (usable as a container health check)",
		Long: bridge.Known().Example(`Get URL and fail unless it answers with a 2xx status. Without a URL: /readyz at BRIDGE_ADMIN_LISTEN.

With --roundtrip: send a callback about a record of the module BridgeTest as a CRM would, authenticated with the secrets of
the environment or the data folder, and read its event back from the stream. Consumers of real modules do not see it. It needs
no data folder: a secret (such as PROOF) and BRIDGE_NATS_URL with a user who may read are enough.`),
		Example: bridge.Known().Example(`  crm-bridge check
  crm-bridge check http://127.0.0.1:9090/healthz
  crm-bridge check --roundtrip
  BRIDGE_NATS_URL=nats://nats:4222 PROOF=… crm-bridge check --roundtrip --url http://crm-bridge:8080`),
		Args: atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case roundtrip && len(args) > 0:
				return fmt.Errorf("%w: with --roundtrip give where callbacks go as --url", terminal.ErrUsage)
			case !roundtrip && round.URL != "":
				return fmt.Errorf("%w: --url belongs to --roundtrip", terminal.ErrUsage)
			case !roundtrip && round.IfSecret:
				return fmt.Errorf("%w: --if-secret belongs to --roundtrip", terminal.ErrUsage)
			case timeout <= 0:
				return fmt.Errorf("%w: --timeout must be more than 0s", terminal.ErrUsage)
			case roundtrip && !cmd.Flags().Changed("timeout"):
				timeout = simulate.RoundtripTimeout
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if roundtrip {
				return round.Run(ctx, cmd.OutOrStdout(), asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
			}
			target, err := readyURL(args)
			if err != nil {
				return err
			}
			if !simulate.IsHTTP(target) {
				return fmt.Errorf("%w: give a URL such as http://127.0.0.1:9090/readyz", terminal.ErrUsage)
			}
			return check(ctx, target, cmd.OutOrStdout(), asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, fmt.Sprintf("give up after this long; with --roundtrip the default is %s", simulate.RoundtripTimeout))
	cmd.Flags().BoolVar(&roundtrip, "roundtrip", false, "send a callback and read its event back")
	cmd.Flags().BoolVar(&round.IfSecret, "if-secret", false, "with --roundtrip: send nothing, and succeed, where no source has a secret here")
	cmd.Flags().StringVar(&round.URL, "url", "", "with --roundtrip: base URL of the bridge (default: BRIDGE_LISTEN on this machine)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, also on a terminal")
	return cmd
}

// readyURL is what the person gave, or else where the bridge of this environment says whether it is ready.
func readyURL(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	settings, _, err := client.Load(&config.Environment{})
	return "http://" + config.LocalAddress(settings.AdminListen) + "/readyz", err
}

func check(ctx context.Context, target string, out io.Writer, asJSON bool) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", publish.HideUser(target), errors.Unwrap(err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s: %s", publish.HideUser(target), response.Status, text)
	}
	ready, ok := isReadiness(body)
	if asJSON || !ok {
		terminal.Say(out, "%s\n", text)
		return nil
	}
	terminal.Say(out, "ready       crm-bridge %s, stream %s\n", terminal.Visible(ready.Version), terminal.Visible(ready.Stream))
	terminal.Say(out, "durability  %s\n", terminal.Visible(ready.Durability))
	if ready.Waits != nil {
		terminal.Say(out, "remote      %s, %d events wait in the journal\n", terminal.Visible(ready.Remote), *ready.Waits)
	}
	return nil
}

// isReadiness reads the body of /readyz; ok is false for that of another URL.
func isReadiness(body []byte) (ready bridge.Readiness, ok bool) {
	err := json.Unmarshal(body, &ready)
	return ready, err == nil && ready.Durability != ""
}

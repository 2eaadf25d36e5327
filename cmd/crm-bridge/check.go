package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "check [URL]",
		Short:   "Ask whether a bridge is ready (a health command that needs no shell)",
		Long:    "Get URL and fail unless it answers with a 2xx status. Without a URL: /readyz at BRIDGE_ADMIN_LISTEN.",
		Example: "  crm-bridge check\n  crm-bridge check http://127.0.0.1:9090/healthz",
		Args:    atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := readyURL(args)
			if err != nil {
				return err
			}
			if u, err := url.Parse(target); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return fmt.Errorf("%w: give a URL such as http://127.0.0.1:9090/readyz", errUsage)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return check(ctx, target, cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "give up after so long")
	return cmd
}

// readyURL is what the person gave, or else where the bridge of this environment says whether it is ready.
func readyURL(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	settings, _, err := loadClient(&environment{})
	return "http://" + local(settings.AdminListen) + "/readyz", err
}

func check(ctx context.Context, target string, out io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", target, errors.Unwrap(err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s: %s", target, response.Status, text)
	}
	say(out, "%s\n", text)
	return nil
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// atReplays calls do with where jobs are kept.
func atReplays(cmd *cobra.Command, do func(*replay.Place) error) error {
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return err
	}
	if err := client.IsOwner(settings); errors.Is(err, client.ErrNotOwner) {
		return fmt.Errorf("only the bridge's own user may see its replay jobs: %w", err)
	} else if err != nil {
		return err
	}
	conn, err := client.Reach(cmd.Context(), settings)
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(bridge.ReplayPlace(settings, conn, func(string) {}))
}

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// askAdmin asks the running bridge at its admin address and shows each line of its answer, or none where it has no line; one that
// reports an error makes the command fail in the end.
func askAdmin(cmd *cobra.Command, method, path string, query url.Values, asJSON bool, none string, show func(io.Writer, []byte) error) error {
	asJSON = asJSON || !terminal.IsTerminal(cmd.OutOrStdout())
	n, failed := 0, error(nil)
	err := adminLines(cmd, method, path, query, func(line json.RawMessage) error {
		n++
		var problem struct{ ID, Error string }
		if json.Unmarshal(line, &problem) == nil && problem.Error != "" {
			if problem.ID == "" {
				return errors.New(problem.Error)
			}
			failed = terminal.ErrSilent
		}
		if asJSON {
			terminal.Say(cmd.OutOrStdout(), "%s\n", terminal.VisibleJSON(line))
			return nil
		}
		return show(cmd.OutOrStdout(), line)
	})
	if err == nil && n == 0 && !asJSON {
		terminal.Say(cmd.OutOrStdout(), "%s\n", none)
	}
	return cmp.Or(err, failed)
}

// errEnough ends a read before its end, without being a failure.
var errEnough = errors.New("enough")

// adminLines asks the running bridge at its admin address and calls each with every line of its answer, until that returns an error.
func adminLines(cmd *cobra.Command, method, path string, query url.Values, each func(json.RawMessage) error) error {
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(cmd.Context(), method, "http://"+config.LocalAddress(settings.AdminListen)+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	token, err := datadir.ReadSecret(settings.DataDir, datadir.AdminSecret)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
	}
	request.Header.Set(bridge.AdminHeader, cmp.Or(token, "local"))
	response, err := client.HTTP(nil).Do(request)
	if err != nil {
		return fmt.Errorf("no bridge answers at %s (BRIDGE_ADMIN_LISTEN): %w; start one with %s", config.LocalAddress(settings.AdminListen), errors.Unwrap(err), client.OwnCommand())
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusUnauthorized {
		used := filepath.Join(settings.DataDir, datadir.AdminSecret)
		if token == "" {
			used = "no token, for there is no " + used
		}
		return fmt.Errorf("the bridge at %s (BRIDGE_ADMIN_LISTEN) rejected the command, which was authenticated with %s: run it as the bridge's own user, with BRIDGE_DATA_DIR set to its folder", config.LocalAddress(settings.AdminListen), used)
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "application/") { // every answer of a bridge is JSON
		return fmt.Errorf("what answers at %s (BRIDGE_ADMIN_LISTEN) does not know %s: an older bridge, or another program", config.LocalAddress(settings.AdminListen), path)
	}
	for decoder := json.NewDecoder(response.Body); ; {
		var line json.RawMessage
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the bridge's answer was cut off: %w", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func statusCommand() *cobra.Command {
	var asJSON, open bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the bridge is well, and what needs a person",
		Long: `Ask the running bridge at BRIDGE_ADMIN_LISTEN whether it is well: its readiness and what a 200 guarantees, each source with its
last callback and rejections, channels, gaps, the journal, quarantine, streams, records and consumers. What needs a person comes
first, with what to do. The exit code is 1 if anything does, or if no bridge answers; a lag alone does not.

With --open: print a link to the console instead, which signs in once. It opens nothing. Also where its output is piped, the link is
printed alone, so that a script can open it; with --json it is the member url of a JSON document.`,
		Example: "  crm-bridge status\n  crm-bridge status --json\n  crm-bridge status --open",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if open {
				return printLink(cmd, asJSON)
			}
			return printStatus(cmd, asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, also on a terminal")
	cmd.Flags().BoolVar(&open, "open", false, "print a one-time link to the console")
	return cmd
}

// printStatus prints the bridge's report, and fails where something needs a person.
func printStatus(cmd *cobra.Command, asJSON bool) error {
	answer, err := oneAnswer(cmd, http.MethodGet, "/status")
	if err != nil {
		return err
	}
	var report status.Report
	if err := json.Unmarshal(answer, &report); err != nil || report.Version == "" {
		return errNotAnswered
	}
	if asJSON {
		terminal.Say(cmd.OutOrStdout(), "%s\n", terminal.VisibleJSON(answer))
	} else if err := status.Show(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return terminal.ErrSilent
	}
	return nil
}

// printLink prints the link to the console alone, or in a JSON document.
func printLink(cmd *cobra.Command, asJSON bool) error {
	answer, err := oneAnswer(cmd, http.MethodPost, "/console/link")
	if err != nil {
		return err
	}
	var link struct{ URL string }
	if err := json.Unmarshal(answer, &link); err != nil || link.URL == "" {
		return errNotAnswered
	}
	if asJSON {
		return terminal.WriteJSONLines(cmd.OutOrStdout(), []any{map[string]string{"url": link.URL}})
	}
	terminal.Say(cmd.OutOrStdout(), "%s\n", terminal.Visible(link.URL))
	return nil
}

// errNotAnswered says that an answer has another form than this program knows.
var errNotAnswered = errors.New("the bridge's answer has another form than this program knows: run the version of the bridge")

// oneAnswer returns the one document that the running bridge answers with.
func oneAnswer(cmd *cobra.Command, method, path string) (answer json.RawMessage, err error) {
	err = adminLines(cmd, method, path, nil, func(line json.RawMessage) error {
		var problem struct{ Error string }
		if json.Unmarshal(line, &problem) == nil && problem.Error != "" {
			return fmt.Errorf("the bridge answers: %s", problem.Error)
		}
		answer = line
		return nil
	})
	if err == nil && answer == nil {
		err = errNotAnswered
	}
	return answer, err
}

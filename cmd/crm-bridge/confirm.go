package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// canAsk returns an error unless a person can be asked; why says what to do instead.
func canAsk(cmd *cobra.Command, why string) error {
	if !terminal.IsTerminal(cmd.InOrStdin()) {
		return fmt.Errorf("%w: %s", terminal.ErrUsage, why)
	}
	return nil
}

// confirm asks a person a question, and returns an error with the text no unless the answer is yes.
func confirm(cmd *cobra.Command, question, no string) error {
	terminal.Say(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New(no)
	}
	return nil
}

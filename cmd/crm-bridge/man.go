package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// manCommand writes the man pages that a release ships. It is hidden: people read the pages, or --help.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write the man pages of all commands",
		Example: "  mkdir pages && crm-bridge man pages && man pages/crm-bridge-replay.1",
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: %s takes one argument, a folder that exists", terminal.ErrUsage, cmd.CommandPath())
			}
			return writePages(cmd.Root(), args[0])
		},
	}
}

// writePages writes a page for cmd and for each command below it that is not hidden.
func writePages(cmd *cobra.Command, folder string) error {
	var page strings.Builder
	writePage(&page, cmd)
	if err := os.WriteFile(filepath.Join(folder, pageName(cmd)+".1"), []byte(page.String()), 0o644); err != nil { //nolint:gosec // for everyone to read
		return err
	}
	for _, below := range cmd.Commands() {
		if below.Hidden {
			continue
		}
		if err := writePages(below, folder); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// writePage writes one page in the macros of man(7). It has no date, so that the same program writes the same bytes.
func writePage(out io.Writer, cmd *cobra.Command) {
	name := pageName(cmd)
	terminal.Say(out, ".TH %s 1 \"\" \"crm-bridge %s\" \"crm-bridge\"\n", roff(strings.ToUpper(name)), roff(cmd.Root().Version))
	terminal.Say(out, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n", roff(name), roff(cmd.Short), roff(cmd.UseLine()))
	terminal.Say(out, ".SH DESCRIPTION\n")
	description := cmd.Long
	if description == "" {
		description = cmd.Short + "."
	}
	for paragraph := range strings.SplitSeq(description, "\n\n") {
		if strings.Contains(paragraph, "   ") { // a table
			terminal.Say(out, ".PP\n.nf\n%s\n.fi\n", roff(paragraph))
		} else {
			terminal.Say(out, ".PP\n%s\n", roff(paragraph))
		}
	}
	writeEntries(out, "COMMANDS", func(entry func(term, text string)) {
		for _, below := range cmd.Commands() {
			if !below.Hidden {
				entry(pageName(below)+"(1)", below.Short)
			}
		}
	})
	cmd.InitDefaultHelpFlag()
	writeEntries(out, "OPTIONS", func(entry func(term, text string)) {
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(flag)
			term := "--" + flag.Name
			if flag.Shorthand != "" {
				term = "-" + flag.Shorthand + ", " + term
			}
			if value != "" {
				term += " " + value
			}
			if !slices.Contains([]string{"", "0", "false", "[]"}, flag.DefValue) {
				usage += fmt.Sprintf(" (default %s)", flag.DefValue)
			}
			entry(term, usage)
		})
	})
	terminal.Say(out, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	terminal.Say(out, ".SH ENVIRONMENT\n.BR crm\\-bridge\\-config (1)\nlists every variable, its value and its meaning.\n")
	terminal.Say(out, ".SH EXIT STATUS\n0 if it succeeded, 1 if it failed, 2 if it was called with wrong arguments.\n")
	terminal.Say(out, ".SH SEE ALSO\n.BR crm\\-bridge (1),\nhttps://github.com/crm\\-bridge/crm\\-bridge\n")
}

// writeEntries writes a section of terms and what they mean, or nothing if there are none.
func writeEntries(out io.Writer, section string, list func(entry func(term, text string))) {
	heading := ".SH " + section + "\n"
	list(func(term, text string) {
		terminal.Say(out, "%s.TP\n.B %s\n%s\n", heading, roff(term), roff(text))
		heading = ""
	})
}

// roff escapes text so that no line of it is a request and a hyphen can be copied.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

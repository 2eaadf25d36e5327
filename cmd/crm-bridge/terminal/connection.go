package terminal

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// PrintConnection prints how an org of a CRM is connected, step by step. Values of several lines are indented as a whole.
func PrintConnection(out io.Writer, name, account string, steps []ingest.Instruction) error {
	var text bytes.Buffer
	text.WriteString(name)
	if account != "" {
		text.WriteString(", account " + account)
	}
	text.WriteString("\n")
	for i, step := range steps {
		fmt.Fprintf(&text, "\n%d. %s\n   %s\n", i+1, step.Heading, step.Text)
		if err := printPaste(&text, step.Paste); err != nil {
			return err
		}
		printSettings(&text, step.Set)
	}
	_, err := out.Write([]byte(VisibleLines(text.String())))
	return err
}

func printPaste(out io.Writer, all []ingest.Paste) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, paste := range all {
		name := paste.Name
		if paste.Secret {
			name += " (secret)"
		}
		if strings.Contains(paste.Value, "\n") {
			Say(table, "   %s\n", name)
			if err := table.Flush(); err != nil {
				return err
			}
			Say(out, "     %s\n", strings.ReplaceAll(paste.Value, "\n", "\n     "))
			continue
		}
		Say(table, "   %s\t%s\n", name, paste.Value)
	}
	return table.Flush()
}

// printSettings prints the lines to set for the bridge, in the form of an environment file.
func printSettings(out io.Writer, all []ingest.Setting) {
	if len(all) > 0 {
		Say(out, "   Set for the bridge:\n")
	}
	for _, one := range all {
		if one.Value == "" {
			one.Value = "…"
		}
		line := "     " + one.Variable + "=" + one.Value
		if one.From != "" {
			line += "    # " + one.From
		}
		if one.Secret {
			line += " (secret)"
		}
		Say(out, "%s\n", line)
	}
}

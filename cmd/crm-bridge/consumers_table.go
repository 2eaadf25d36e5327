package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

func streamFlag(cmd *cobra.Command, stream *string, usage string) {
	cmd.Flags().StringVar(stream, "stream", "", usage)
	completeFlags(cmd, map[string]completer{"stream": completeStreams})
}

// consumerQuery names a consumer and a stream; empty: any.
func consumerQuery(stream, name string) url.Values {
	query := url.Values{}
	for key, value := range map[string]string{"stream": stream, "name": name} {
		if value != "" {
			query.Set(key, value)
		}
	}
	return query
}

// tableOf collects lines of an answer, and shows them as a table in the end.
type tableOf[of any] struct {
	heading string
	row     func(of) string
	lines   []of
}

func (t *tableOf[of]) add(_ io.Writer, line []byte) error {
	var one of
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	t.lines = append(t.lines, one)
	return nil
}

func (t *tableOf[of]) print(out io.Writer) error {
	if len(t.lines) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	terminal.Say(table, "%s\n", t.heading)
	for _, one := range t.lines {
		terminal.Say(table, "%s\n", t.row(one))
	}
	return table.Flush()
}

const consumerHeading = "STREAM\tCONSUMER\tLAG\tUNACKED\tREDELIVERED\tLAST ACK\tDEAD\tNOTE"

func consumerRow(one consumers.Consumer) string {
	last := "-"
	if at := one.AckFloor.At; at != nil {
		last = time.Since(*at).Round(time.Second).String() + " ago"
	}
	var notes []string
	if one.PausedUntil != nil {
		notes = append(notes, "paused until "+one.PausedUntil.Local().Format(time.DateTime))
	}
	if one.Own {
		notes = append(notes, "the bridge's own")
	} else if !one.Durable {
		notes = append(notes, "temporary")
	}
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%s\t%d\t%s", one.Stream, terminal.Visible(one.Name), one.Lag, one.AckPending, one.Redelivered, last, one.Dead, strings.Join(notes, ", "))
}

// lineOf reads a line of the bridge's answer, which may be an error.
func lineOf(line json.RawMessage, into any) error {
	var problem struct{ Error string }
	if json.Unmarshal(line, &problem) == nil && problem.Error != "" {
		return errors.New(problem.Error)
	}
	return json.Unmarshal(line, into)
}

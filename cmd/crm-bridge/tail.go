package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/publish"
)

func tailCommand() *cobra.Command {
	var since string
	var asJSON bool
	var count int
	var selected selection
	cmd := &cobra.Command{
		Use:   "tail [subject]",
		Short: "Watch events as they arrive",
		Long:  "Watch the events of the stream, live. A subject may hold the wildcards * (one token) and > (all that follow).",
		Example: `  crm-bridge tail
  crm-bridge tail 'crm.zoho.Deals.*' --since 36h
  crm-bridge tail --since 2026-11-01 --json | jq .event.data`,
		Args: atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := selected.check(); err != nil {
				return err
			}
			settings, _, err := loadClient(&environment{})
			if err != nil {
				return err
			}
			reader := publish.Reader{Stream: settings.Stream, Subjects: []string{settings.SubjectPrefix + ".>"}}
			if len(args) > 0 {
				if !subjectPattern.MatchString(args[0]) {
					return fmt.Errorf("%w: %q is no subject: give tokens joined by dots, such as 'crm.zoho.Deals.*' or 'crm.>'", errUsage, args[0])
				}
				reader.Subjects = args
			}
			if since != "" {
				if reader.Since, err = parseWhen(since, time.Now()); err != nil {
					return fmt.Errorf("%w: --since: %w", errUsage, err)
				}
			}
			conn, err := connectReader(settings)
			if err != nil {
				return err
			}
			defer conn.Close()
			reader.Conn = conn
			out := cmd.OutOrStdout()
			show := printEvent
			if asJSON || !isTerminal(out) {
				show = printEventJSON
			}
			seen := 0
			err = reader.Read(cmd.Context(), func(e publish.Stored) error {
				if !selected.matches(e) {
					return nil
				}
				if seen++; count > 0 && seen > count {
					return errEnough
				}
				if err := show(out, e); err != nil {
					return err
				}
				if seen == count {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "begin here: RFC 3339, a date, or a span back from now (default: only what comes)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	cmd.Flags().IntVar(&count, "count", 0, "stop after so many events (default: never)")
	selected.flags(cmd)
	return cmd
}

var subjectPattern = regexp.MustCompile(`^[^\s.>]+(\.[^\s.>]+)*(\.>)?$|^>$`)

// errEnough ends a read that has seen what it came for.
var errEnough = errors.New("enough")

// tailed is an event as tail prints it in JSON.
type tailed struct {
	Subject  string          `json:"subject"`
	Sequence uint64          `json:"sequence"`
	StoredAt time.Time       `json:"storedAt"`
	Event    json.RawMessage `json:"event,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func printEventJSON(out io.Writer, e publish.Stored) error {
	line := tailed{Subject: e.Subject, Sequence: e.Sequence, StoredAt: e.At}
	var err error
	if line.Event, err = e.JSON(); err != nil {
		line.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(line)
}

func printEvent(out io.Writer, e publish.Stored) error {
	line := fmt.Sprintf("%s  %-32s #%d", e.At.Local().Format("15:04:05.000"), e.Subject, e.Sequence)
	event, err := e.Event()
	if err != nil {
		_, err := fmt.Fprintf(out, "%s  %s\n", line, err)
		return err
	}
	var data struct {
		IDs    []string
		Fields map[string][]string
	}
	if json.Unmarshal(event.Data(), &data) == nil {
		line += "  records " + strings.Join(data.IDs, ", ")
		for _, id := range data.IDs {
			if names := data.Fields[id]; len(names) > 0 {
				line += "  changed " + strings.Join(names, ", ")
				break
			}
		}
	}
	_, err = fmt.Fprintf(out, "%s  id %s\n", line, event.ID())
	return err
}

package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

func replayJobsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List replay jobs",
		Long: `List the replay jobs that are kept beside the stream, the newest first: those of this command and of the console. A job is kept for
30 days after its last step. A job that is interrupted goes on with the same command and --job. Jobs that are kept in a file
(--state) are not listed.`,
		Example: "  crm-bridge replay jobs\n  crm-bridge replay jobs --json | jq -r 'select(.state == \"interrupted\").job'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return atReplays(cmd, func(place *replay.Place) error {
				jobs, err := place.Jobs(cmd.Context())
				if err != nil {
					return err
				}
				return printJobs(cmd.OutOrStdout(), jobs, time.Now(), asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	return cmd
}

func replayDeleteCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "delete JOB …",
		Short: "Delete replay jobs and their events",
		Long: `Delete jobs, and the events that they have published on subjects of their own. The events that they repeated are not touched. A run
that is at work ends.`,
		Example:           "  crm-bridge replay delete rebuild-search",
		ValidArgsFunction: completeWith(completeJobs),
		Args: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if !replay.ValidName(name) {
					return fmt.Errorf("%w: the name of a job is 1 to 64 of the characters A-Z a-z 0-9 _ -", terminal.ErrUsage)
				}
			}
			if len(args) == 0 {
				return fmt.Errorf("%w: %s takes the names of jobs; crm-bridge replay jobs lists them", terminal.ErrUsage, cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return atReplays(cmd, func(place *replay.Place) error {
				for _, name := range args {
					if err := deleteJob(cmd, place, name, asJSON || !terminal.IsTerminal(cmd.OutOrStdout())); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON lines, also on a terminal")
	return cmd
}

func deleteJob(cmd *cobra.Command, place *replay.Place, name string, asJSON bool) error {
	removed, err := place.Delete(cmd.Context(), name)
	switch {
	case errors.Is(err, replay.ErrNoJob):
		return fmt.Errorf("there is no job %s; crm-bridge replay jobs lists them", name)
	case err != nil:
		return fmt.Errorf("delete job %s: %w", name, err)
	case asJSON:
		return terminal.JSONEncoder(cmd.OutOrStdout()).Encode(map[string]any{"job": name, "events": removed})
	}
	terminal.Say(cmd.OutOrStdout(), "job %s is deleted, and %d events that it had published\n", name, removed)
	return nil
}

// listedJob is a job as replay jobs prints it.
type listedJob struct {
	Job   string       `json:"job"`
	State replay.State `json:"state"`
	To    string       `json:"to"`
	Total uint64       `json:"total"` // messages to read
	replay.Tally
	Began   time.Time      `json:"began"`
	Ended   time.Time      `json:"ended,omitzero"`
	SavedAt time.Time      `json:"savedAt"`
	Asked   replay.Request `json:"asked"`
	Problem string         `json:"error,omitempty"`
}

func printJobs(out io.Writer, jobs []replay.Listed, now time.Time, asJSON bool) error {
	all := make([]listedJob, 0, len(jobs))
	for _, job := range jobs {
		state := job.StateAt(now)
		if state == replay.Elsewhere {
			state = replay.Running
		}
		all = append(all, listedJob{job.Name, state, job.Request.Target, job.Total, job.Tally, job.Began, job.Ended, job.SavedAt, job.Request, job.Problem})
	}
	switch {
	case asJSON:
		return terminal.WriteJSONLines(out, all)
	case len(all) == 0:
		terminal.Say(out, "no replay jobs are kept\n")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	terminal.Say(table, "JOB\tSTATE\tREAD\tEVENTS\tBEGAN\tTO\n")
	for i, job := range all {
		if job.Problem != "" {
			terminal.Say(table, "%s\t%s\t\t\t\t\n", terminal.Visible(job.Job), job.Problem)
			continue
		}
		terminal.Say(table, "%s\t%s\t%.0f %%\t%d\t%s\t%s\n", terminal.Visible(job.Job), job.State, 100*jobs[i].Part(), job.Events, job.Began.Local().Format(time.DateTime), terminal.Visible(job.To))
	}
	return table.Flush()
}

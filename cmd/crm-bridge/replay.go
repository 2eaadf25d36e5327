package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Re-deliver stored events",
		Long: bridge.Known().Example(`Read events from the stream, and write them to stdout, publish them on subjects of their own, or post them to an
endpoint. A replay ends at --until or --to-sequence, else at the last event that the stream holds when it starts.

Live consumers are not affected. It reads with a temporary consumer, publishes nothing on live subjects, and has at most 256
events in flight. The ids of events are unchanged, so idempotent consumers stay idempotent.

--to stdout             JSON lines, as tail --json prints them. After an interruption it says which --from-sequence resumes it.
--to subject            to <prefix>-replay.<job>.<provider>.<Module>.<operation>, in the stream <STREAM>_REPLAY, which keeps
                        them for seven days: crm.PROVIDER.MODULE.edit becomes crm-replay.<job>.PROVIDER.MODULE.edit.
--to https://…          as CloudEvents over HTTP, one at a time and in order. No answer, 408, 425, 429 and 5xx are retried, with
                        Retry-After observed; any other status but 2xx stops the job. Redirects are not followed. With
                        --parallel several at a time, and in order for each record; events that name no record keep the order
                        of their module.

To a subject or an endpoint it is a job with a name. After an interruption, even kill -9, run the same command with the same
--job to resume: to a subject without gaps or duplicates, to an endpoint with at most one post repeated, with --parallel at most
24 for each. Times relative to now keep the meaning that they had when the job started. crm-bridge replay jobs lists the jobs, and
crm-bridge replay delete removes one with its events.

--dead NAME replays what the consumer NAME gave up on (crm-bridge consumers --dead), for that consumer alone: to a subject as job
NAME, on <prefix>-replay.NAME.…, which the service reads beside its consumer. When all of it is safely there, or posted, it is
marked as replayed and not replayed again.`),
		Example: bridge.Known().Example(`  crm-bridge replay --subject 'crm.PROVIDER.MODULE.>' --since 2026-11-01 --until 2026-11-08 > deals.jsonl
  crm-bridge replay --subject 'crm.*.Deals.*' --since 7d --dry-run
  crm-bridge replay --record 5725767000003000010 --to stdout | jq .event.data
  crm-bridge replay --since 36h --to subject --job rebuild-search
  crm-bridge replay --dead billing --to subject
  crm-bridge replay --since 36h --to https://billing.example.com/events --header-file token --rate 50 --job billing`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // it may be a URL with a password
				return fmt.Errorf("%w: %s takes flags alone, such as --subject and --to", terminal.ErrUsage, cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := f.plan(time.Now())
			if err != nil {
				return err
			}
			if plan.to != stdoutTarget {
				return plan.run(cmd)
			}
			return terminal.WhileRead(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context) error {
				cmd.SetContext(ctx)
				return plan.run(cmd)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.subjects, "subject", nil, "only these subjects, with the wildcards * and >; may be given several times (default: all of the bridge)")
	flags.StringVar(&f.since, "since", "", "stored then or later: RFC 3339, a date, or a span back from now (default: all that the stream holds)")
	flags.StringVar(&f.until, "until", "", "stored before: RFC 3339, a date, or a span back from now (default: now)")
	flags.Uint64Var(&f.from, "from-sequence", 0, "start at this sequence of the stream")
	flags.Uint64Var(&f.upto, "to-sequence", 0, "end at this sequence of the stream")
	selectionFlags(cmd, &f.selected)
	flags.StringVar(&f.dead, "dead", "", "only events that this consumer gave up on and that no replay has re-delivered")
	f.endpointFlags.add(cmd)
	flags.StringVar(&f.to, "to", "stdout", "stdout, subject, or the URL of an endpoint")
	flags.StringVar(&f.job, "job", "", "name of the job; give it again to resume (default: a new name; with --dead and a subject that of the consumer)")
	flags.StringVar(&f.state, "state", "", "with an endpoint: keep the job in this file instead of the stream's bucket, for users who may only read")
	flags.IntVar(&f.parallel, "parallel", 1, "with an endpoint: posts at once, up to 64; the events of a record stay in order")
	flags.StringVar(&f.rate, "rate", "", "events a second, at most (default: as fast as the target takes them)")
	flags.BoolVar(&f.restart, "restart", false, "start the job from scratch; what it has published on its subjects is removed")
	flags.BoolVar(&f.dryRun, "dry-run", false, "count by subject what would be replayed, and replay nothing")
	flags.BoolVar(&f.asJSON, "json", false, "the result as JSON, also on a terminal")
	completeFlags(cmd, map[string]completer{
		"dead":    func(cmd *cobra.Command, _ []string) []string { return completeConsumers(cmd, nil) },
		"subject": completeSubjects, "to": either(stdoutTarget, subjectTarget), "job": completeJobs,
	})
	cmd.AddCommand(replayJobsCommand(), replayDeleteCommand())
	return cmd
}

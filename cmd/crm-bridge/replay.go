package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// replayFlags are the command's.
type replayFlags struct {
	subjects     []string
	since, until string
	from, upto   uint64
	selected     replay.Selection

	to, job, state, contentMode, headerFile, rate string
	retryFor                                      time.Duration
	skipRefused, restart, dryRun, asJSON          bool
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Re-deliver stored events",
		Long: known().example(`Read events from the stream, and write them to stdout, publish them on subjects of their own, or post them to an
endpoint. A replay ends: with --until, --to-sequence, or with the last event that the stream holds when it begins.

Live consumers see nothing of it. It reads with a consumer that is gone afterwards, publishes nothing on live subjects, and
has at most 256 events on their way at once. The ids of events are unchanged, so that whoever is idempotent stays so.

--to stdout             JSON lines, as tail --json prints them. An interrupted one says where it goes on: --from-sequence.
--to subject            to <prefix>-replay.<job>.<provider>.<Module>.<operation>, in the stream <STREAM>_REPLAY, which keeps
                        them for seven days: crm.PROVIDER.MODULE.edit becomes crm-replay.<job>.PROVIDER.MODULE.edit.
--to https://…          as CloudEvents over HTTP, one after the other and in order. No answer, 408, 425, 429 and 5xx are tried
                        again, and Retry-After is kept to; anything else but 2xx stops the job. Redirects are not followed.

To a subject or an endpoint it is a job with a name. After an interruption, be it kill -9, the same command with the same
--job goes on where it was: to a subject without gaps or doubles, to an endpoint with at most one post repeated. What was
asked for in times relative to now stays what it was when the job began.`),
		Example: known().example(`  crm-bridge replay --subject 'crm.PROVIDER.MODULE.>' --since 2026-11-01 --until 2026-11-08 > deals.jsonl
  crm-bridge replay --subject 'crm.*.Deals.*' --since 7d --dry-run
  crm-bridge replay --record 5725767000003000010 --to stdout | jq .event.data
  crm-bridge replay --since 36h --to subject --job rebuild-search
  crm-bridge replay --since 36h --to https://billing.example.com/events --header-file token --rate 50 --job billing`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // it may be a URL with a password
				return fmt.Errorf("%w: %s takes flags alone, such as --subject and --to", errUsage, cmd.CommandPath())
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
	flags.Uint64Var(&f.from, "from-sequence", 0, "begin with this sequence of the stream")
	flags.Uint64Var(&f.upto, "to-sequence", 0, "end with this sequence of the stream")
	selectionFlags(cmd, &f.selected)
	flags.StringVar(&f.to, "to", "stdout", "stdout, subject, or the URL of an endpoint")
	flags.StringVar(&f.job, "job", "", "name of the job, which goes on with it after an interruption (default: a new one)")
	flags.StringVar(&f.state, "state", "", "with an endpoint: keep the job in this file, not in the stream's bucket: for those who may only read the stream")
	flags.StringVar(&f.contentMode, "content-mode", "structured", "of posts: structured, or binary: attributes in headers")
	flags.StringVar(&f.headerFile, "header-file", "", "file with a header of every post on each line, such as Authorization: Bearer …")
	flags.StringVar(&f.rate, "rate", "", "at most so many events a second (default: as fast as they are taken)")
	flags.DurationVar(&f.retryFor, "retry-for", 15*time.Minute, "how long an endpoint or NATS may be away before the replay gives up")
	flags.BoolVar(&f.skipRefused, "skip-refused", false, "go on without events that the target rejects permanently, and count them")
	flags.BoolVar(&f.restart, "restart", false, "begin the job again; what it has published on its subjects is removed")
	flags.BoolVar(&f.dryRun, "dry-run", false, "count by subject what would be replayed, and replay nothing")
	flags.BoolVar(&f.asJSON, "json", false, "the result as JSON, also on a terminal")
	return cmd
}

// replayed is the result of a replay.
type replayed struct {
	Job   string `json:"job,omitempty"`
	To    string `json:"to"`
	First uint64 `json:"first"` // sequence with which it could begin
	Last  uint64 `json:"last"`  // and end
	replay.Tally
	Gone    uint64  `json:"gone,omitempty"` // messages that left the stream before they were read
	Seconds float64 `json:"seconds"`
	Before  bool    `json:"before,omitempty"` // the job was done before

	place string // where a person finds the events
}

// tell prints a result to where a person, or a program, looks for it.
func (done replayed) tell(out io.Writer, asJSON bool) error {
	if asJSON {
		return terminal.JSONEncoder(out).Encode(done)
	}
	if done.Before {
		return nil // that was said
	}
	text := fmt.Sprintf("%d events replayed to %s", done.Events, done.place)
	if done.Job != "" {
		text += " as job " + done.Job
	}
	for _, more := range []struct {
		n    uint64
		what string
	}{
		{done.Duplicates, "were there already"},
		{done.Refused, "refused and skipped"},
		{done.NotEvents, "messages are no events"},
		{done.Gone, "messages had left the stream before they were read"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	terminal.Say(out, "%s; %.1f s, %.0f/s\n", text, done.Seconds, float64(done.Events)/max(done.Seconds, 0.001))
	return nil
}

// errInterrupted ends a replay that somebody ended.
var errInterrupted = errors.New("interrupted")

// explain says how a job that could not be finished is resumed.
func (p *replayPlan) explain(ctx context.Context, job *replay.Job, err error) error {
	kept := job.Store != nil
	switch {
	case errors.As(err, new(publish.MisfitError)), !kept && errors.Is(err, replay.ErrPermanent):
		return err
	case ctx.Err() != nil && !kept:
		return fmt.Errorf("%w after sequence %d: --from-sequence %d goes on from there", errInterrupted, job.At, job.At+1)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: the same command with --job %s goes on from here", errInterrupted, job.Name)
	case !kept:
		return fmt.Errorf("%w; %d is the last sequence that was replayed: --from-sequence %d goes on from there", err, job.At, job.At+1)
	case errors.As(err, new(replay.RefusedError)):
		return fmt.Errorf("job %s: %w; --job %s --skip-refused goes on without it", job.Name, err, job.Name)
	case errors.Is(err, publish.ErrFull):
		err = fmt.Errorf("stream %s is full and keeps what it holds: wait until its oldest events are seven days old, purge subjects of jobs that are done, or give it more room", p.settings.ReplayStream())
	case errors.Is(err, replay.ErrPermanent):
		return fmt.Errorf("job %s: %w", job.Name, err)
	}
	return fmt.Errorf("job %s: %w; the same command with --job %s goes on from here", job.Name, err, job.Name)
}

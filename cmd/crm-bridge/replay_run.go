package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// run runs the plan.
func (p *replayPlan) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := p.mayWrite(); err != nil {
		return err
	}
	conn, err := client.Connect(p.settings)
	if err != nil {
		return err
	}
	defer conn.Close()
	span, err := conn.OpenSpan(ctx, p.settings.Stream, p.subjects, p.bounds)
	if err != nil {
		return err
	}
	bar := terminal.NewProgress(cmd.ErrOrStderr(), "messages")
	if p.dead != "" {
		if err := p.findDead(ctx, conn, span); err != nil {
			return err
		}
		if len(p.given) == 0 {
			return p.noneDead(cmd)
		}
	}
	if p.dryRun {
		return p.count(cmd, span, bar)
	}
	return p.replay(cmd, conn, span, bar)
}

// mayWrite returns an error where the target needs a right that only the bridge's own user has.
func (p *replayPlan) mayWrite() error {
	if p.dead == "" && (p.dryRun || p.to == stdoutTarget || p.state != "") {
		return nil
	}
	err := client.IsOwner(p.settings)
	switch {
	case !errors.Is(err, client.ErrNotOwner):
		return err
	case p.dead != "":
		return fmt.Errorf("only the bridge's own user may read what consumers gave up on: %w", err)
	case p.endpoint.URL != nil:
		return fmt.Errorf("only the bridge's own user may keep the job beside the stream: %w, or keep the job in a file: --state FILE", err)
	}
	return fmt.Errorf("only the bridge's own user may publish: %w", err)
}

// replay runs the job of the plan, or resumes it.
func (p *replayPlan) replay(cmd *cobra.Command, conn *publish.Conn, span *publish.Span, bar *terminal.Progress) error {
	errs := cmd.ErrOrStderr()
	ctx, endTraces, err := traced(cmd.Context(), p.settings, errs)
	if err != nil {
		return err
	}
	defer endTraces()
	r := &replay.Run{
		Span: span, Selected: p.selected, Rate: float64(p.rate), Patience: p.retryFor, Again: bar.Retrying,
		Show: func(read uint64, part float64) { bar.Show(int(read), part) },
		Warn: func(err error) { bar.Say("%s", err) },
	}
	closeTarget, err := p.openTarget(ctx, conn, r, cmd.OutOrStdout(), bar)
	if err != nil {
		return err
	}
	defer closeTarget()
	// Only events go to stdout.
	result, asJSON := cmd.OutOrStdout(), p.asJSON || !terminal.IsTerminal(cmd.OutOrStdout())
	if p.to == stdoutTarget {
		result, asJSON = errs, p.asJSON || !terminal.IsTerminal(errs)
		bar.Quiet = terminal.IsTerminal(cmd.OutOrStdout())
	}
	job := r.Job
	if ended := job.Ended; !ended.IsZero() {
		terminal.Say(errs, "job %s was done on %s: repeat it with --restart, or give another --job\n", job.Name, ended.Local().Format(time.DateTime))
		return p.result(job, 0, true).print(result, asJSON)
	}
	if job.Store != nil {
		terminal.Say(errs, "job %s: %d messages to read, %d done; after an interruption run the same command with --job %s to resume\n", job.Name, job.Total, job.Tally.Read, job.Name)
	}
	bar.Resume(int(job.Tally.Read), job.Part())
	began := time.Now()
	p.limitDead(job, r.Span)
	err = r.Replay(ctx)
	bar.End(int(job.Tally.Read), job.Part())
	if err != nil {
		return p.explain(ctx, job, err)
	}
	p.markDead(ctx, job, r.Span, bar)
	return p.result(job, time.Since(began), false).print(result, asJSON)
}

func (p *replayPlan) result(job *replay.Job, took time.Duration, before bool) replayed {
	done := replayed{To: p.shownTarget(), place: p.shownTarget(), First: job.First, Last: job.Last, Tally: job.Tally, Seconds: took.Seconds(), Before: before}
	if job.Store != nil {
		done.Job = job.Name
	}
	if done.To == subjectTarget {
		done.place = fmt.Sprintf("%s-replay.%s.> in %s", p.settings.SubjectPrefix, done.Job, p.settings.ReplayStream())
	}
	done.Gone = job.Total - min(job.Total, job.Tally.Read)
	return done
}

// count counts what would be replayed.
func (p *replayPlan) count(cmd *cobra.Command, span *publish.Span, bar *terminal.Progress) error {
	total, err := span.Count(cmd.Context(), span.First)
	if err != nil {
		return err
	}
	span.Patience, span.Failed = p.retryFor, bar.Retrying
	read := 0
	counts, err := replay.Count(cmd.Context(), span, p.selected, func(n int) {
		read = n
		bar.Show(read, float64(read)/float64(max(total, 1)))
	})
	bar.End(read, 1)
	if err != nil {
		return err
	}
	return showCounts(cmd.OutOrStdout(), counts, p.asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
}

// showCounts prints a dry run: as a table, or as JSON lines.
func showCounts(out io.Writer, all []replay.SubjectCount, asJSON bool) error {
	if asJSON {
		var lines bytes.Buffer
		err := terminal.WriteJSONLines(&lines, all)
		terminal.Say(out, "%s", terminal.VisibleJSON(lines.Bytes()))
		return err
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	terminal.Say(table, "SUBJECT\tEVENTS\tFIRST\tLAST\n")
	for _, one := range all {
		count := fmt.Sprint(one.Events)
		if one.NotEvents > 0 {
			count = strings.TrimPrefix(fmt.Sprintf("%d and %d that are not events", one.Events, one.NotEvents), "0 and ")
		}
		terminal.Say(table, "%s\t%s\t%s\t%s\n", terminal.Visible(one.Subject), count, one.First.Local().Format(time.DateTime), one.Last.Local().Format(time.DateTime))
	}
	return table.Flush()
}

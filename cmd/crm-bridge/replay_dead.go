package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// findDead has the span hold what the consumer gave up on, and no replay has re-delivered; with --restart also what one has.
func (p *replayPlan) findDead(ctx context.Context, conn *publish.Conn, span *publish.Span) error {
	s := p.settings
	reach := func() (*publish.Conn, error) { return conn, nil }
	p.list = &consumers.DeadLetters{Stream: s.DeadStream(), Reach: reach, Marks: bridge.SharedState(s, reach)}
	if s.Syncs() {
		p.list.Marks.Commit = func(context.Context) error { return disk.SyncStream(s.DataDir, "KV_"+s.StateBucket()) }
		p.list.Commit = func(context.Context) error { return disk.SyncStream(s.DataDir, s.DeadStream()) }
	}
	given, err := p.list.Of(ctx, "", p.dead)
	if err != nil {
		return err
	}
	given = slices.DeleteFunc(given, func(one consumers.Listed) bool { return one.ReplayedAt != nil && !p.restart })
	for _, one := range given {
		if one.Stream == s.Stream {
			p.given = append(p.given, one)
		} else {
			p.elsewhere = one.Stream
		}
	}
	span.Only = sequencesOf(p.given)
	return nil
}

// noneDead says that there is nothing to replay.
func (p *replayPlan) noneDead(cmd *cobra.Command) error {
	terminal.Say(cmd.ErrOrStderr(), "nothing to replay: consumer %s has no dead letter in stream %s that was not replayed\n", terminal.Visible(p.dead), p.settings.Stream)
	if p.elsewhere != "" {
		terminal.Say(cmd.ErrOrStderr(), "it gave up on messages of stream %s: have it read those again with crm-bridge consumers reset %s --stream %[1]s --to …\n", p.elsewhere, terminal.Visible(p.dead))
	}
	if out := cmd.OutOrStdout(); p.to != stdoutTarget && (p.asJSON || !terminal.IsTerminal(out)) {
		return replayed{To: p.shownTarget()}.print(out, true)
	}
	return nil
}

func sequencesOf(given []consumers.Listed) []uint64 {
	sequences := make([]uint64, 0, len(given))
	for _, one := range given {
		sequences = append(sequences, one.Sequence)
	}
	return sequences
}

// lastEntry returns the sequence of the last entry of what is replayed; 0: there is none.
func (p *replayPlan) lastEntry() (last uint64) {
	for _, one := range p.given {
		last = max(last, slices.Max(one.Entries))
	}
	return last
}

// follows reports whether a replay of --dead starts from scratch after a finished one: the consumer may have given up on more since.
func (p *replayPlan) follows(had *replay.Job) bool {
	return p.dead != "" && had.Request.Dead == p.dead && !had.Ended.IsZero()
}

// limitDead leaves out what the consumer gave up on after the job began: a run that resumes the job may have passed its sequence already.
func (p *replayPlan) limitDead(job *replay.Job, span *publish.Span) {
	if p.dead == "" || job.Store == nil {
		return
	}
	var before []consumers.Listed
	for _, one := range p.given {
		one.Entries = slices.DeleteFunc(one.Entries, func(entry uint64) bool { return entry > job.Entries })
		if len(one.Entries) > 0 {
			before = append(before, one)
		}
	}
	p.given, span.Only = before, sequencesOf(before)
}

// markDead marks what the finished job has re-delivered. Where that is not certain, nothing is marked: it can be replayed again.
func (p *replayPlan) markDead(ctx context.Context, job *replay.Job, span *publish.Span, bar *terminal.Progress) {
	if p.dead == "" || len(p.given) == 0 {
		return
	}
	switch {
	case job.Store == nil:
		bar.Say("a replay to stdout marks nothing: the events are still listed as not replayed")
		return
	case job.Tally.Duplicates > 0:
		bar.Say("%d events were published by an earlier run just now, and may be read already: nothing is marked as replayed; run the command again in %s to publish them again", job.Tally.Duplicates, bridge.ReplayWindow(p.settings))
		return
	case job.Tally.Refused > 0:
		bar.Say("%d events were rejected: nothing is marked as replayed; select others with --subject, --record or --from-sequence", job.Tally.Refused)
		return
	}
	of, delivered := *span, map[uint64]bool{}
	of.First, of.Last, of.Patience = job.First, job.Last, p.retryFor
	err := of.Each(ctx, func(m publish.Stored) error {
		_, err := m.Event()
		delivered[m.Sequence] = err == nil && p.selected.Matches(m)
		return nil
	})
	if err == nil {
		done := slices.DeleteFunc(slices.Clone(p.given), func(one consumers.Listed) bool { return !delivered[one.Sequence] })
		err = p.list.Replayed(ctx, done, time.Now())
	}
	if err != nil {
		bar.Say("the events were replayed, and cannot be marked so: %s", terminal.Plainly(err))
	}
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

func (f *copyFlags) run(cmd *cobra.Command) error {
	env := &config.Environment{}
	settings, crms, err := client.Load(env)
	if err != nil {
		return err
	}
	from, to, err := f.sides(settings)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	c := &copying{copyFlags: f, crms: crms, env: env, bar: newCopyBar(cmd.ErrOrStderr())}
	if c.from, err = openSource(ctx, from); c.from != nil {
		defer c.from.close()
	}
	if err != nil {
		return err
	}
	if c.to, err = openTarget(ctx, to, f.to != "" && f.to != embeddedSide); c.to != nil {
		defer c.to.close()
	}
	if err != nil {
		return err
	}
	note, err := transfer.ReadNote(ctx, c.to.bucket())
	if err != nil {
		return err
	}
	c.note = note
	t := &transfer.Copy{
		From: c.from.conn, To: c.to.conn, Note: note, Gap: bridge.CopyGap(to), Append: f.appends,
		// The embedded server's files are indexed by the bridge after a crash, which does not know when a message expires.
		Expire: !to.Embedded(), Patience: f.retryFor, Show: c.bar.show, Retrying: c.bar.retrying,
	}
	streams := bridge.CopiedStreams(to, crms)
	out := copyOutput{out: cmd.OutOrStdout(), asJSON: f.asJSON || !terminal.IsTerminal(cmd.OutOrStdout())}
	switch {
	case f.dryRun:
		parts, err := t.Look(ctx, streams)
		return errors.Join(out.parts(parts, false), c.explain(err))
	case f.verifyOnly:
		parts, err := t.Compare(ctx, streams)
		c.bar.end()
		return errors.Join(out.parts(parts, true), c.explain(err))
	}
	return c.copy(ctx, t, streams, out)
}

// copy copies, and prints what was done and what to do next.
func (c *copying) copy(ctx context.Context, t *transfer.Copy, streams []transfer.Stream, out copyOutput) error {
	if err := c.checkEnded(ctx); err != nil {
		return err
	}
	if err := c.leftBehind(ctx); err != nil {
		return err
	}
	interrupted := ctx
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	release, err := t.Note.Claim(ctx, end)
	if err != nil {
		return err
	}
	defer release()
	state := transfer.State{From: c.from.bucket(), To: c.to.bucket()}
	if state.FromSealed, err = c.from.keys(state.From, false); err != nil {
		return err
	}
	sealed, err := c.to.keys(state.To, c.running == "")
	if err != nil {
		return err
	}
	if len(sealed) > 0 {
		state.ToSealed = sealed[0]
	}
	run := &transfer.Run{
		Copy: t, Ended: c.running == "", State: state, Warn: func(text string) { c.bar.say(text) },
		Copied: func() { c.bar.say("everything is on the target; both sides are compared now") },
	}
	if c.to.folder != nil {
		run.Sync = c.to.folder.Sync
	}
	result, err := run.Do(ctx, streams)
	c.bar.end()
	if interrupted.Err() != nil {
		return fmt.Errorf("%w: run the same command to resume", errInterrupted)
	}
	if err == nil && result.Done {
		err = c.markSource(ctx, result)
	}
	if failed := out.result(result, err == nil); failed != nil {
		return failed
	}
	if err != nil {
		return c.explain(err)
	}
	return out.next(c.nextStep(result), result.Done)
}

// checkEnded finds out whether the source may take further events.
func (c *copying) checkEnded(ctx context.Context) error {
	if c.from.Embedded() {
		if c.from.folder == nil {
			c.running = "the bridge still runs: stop it"
		}
		return nil
	}
	journals, err := store.Journals(ctx, c.from.bucket())
	for _, journal := range journals {
		switch {
		case journal.Running:
			c.running = journal.Where + " is in use: stop its bridge"
		case journal.MayHold:
			c.running = journal.Where + " may hold events that are not forwarded: start its bridge until journalPending is 0, and stop it in order"
		}
	}
	return err
}

// leftBehind says what the source holds that is not copied.
func (c *copying) leftBehind(ctx context.Context) error {
	for _, name := range bridge.NotCopied(c.from.Settings) {
		n, err := c.from.conn.Messages(ctx, name)
		if err != nil {
			return err
		}
		if n > 0 {
			c.bar.say(fmt.Sprintf("stream %s is not copied (%d messages): finish replays, and replay what consumers gave up on, before the bridge moves", name, n))
		}
	}
	return nil
}

// markSource notes in a data folder that its events are elsewhere now, so that the bridge does not warn of them.
func (c *copying) markSource(ctx context.Context, result transfer.Result) error {
	if c.from.folder == nil {
		return nil
	}
	for _, part := range result.Parts {
		if err := c.from.conn.MarkCopied(ctx, part.Stream, part.Last); err != nil {
			return err
		}
	}
	return nil
}

// explain says what to do about an error.
func (c *copying) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transfer.ErrOthers):
		return fmt.Errorf("%w; copy to an empty target, or add --append to copy the history behind them", err)
	case errors.Is(err, transfer.ErrUnfinished):
		return fmt.Errorf("%w: run the command without --verify", err)
	case errors.Is(err, transfer.ErrDiffers) && len(c.note.Ended) > 0: // the target may hold what no other has
		return fmt.Errorf("%w; the copy was complete before: keep both sides, and find out what changed the target", err)
	case errors.Is(err, transfer.ErrDiffers):
		return fmt.Errorf("%w; it was changed after it was copied, or dropped at a limit of the target: keep the source, delete the target's streams and its bucket, and copy again", err)
	case errors.As(err, new(publish.MisfitError)), errors.Is(err, transfer.ErrRunning), errors.As(err, new(*publish.NoRoomError)):
		return err
	}
	return fmt.Errorf("%w; run the same command to resume", err)
}

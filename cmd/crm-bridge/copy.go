package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func copyCommand() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "Copy streams, state and quarantine to another NATS",
		Long: `Copy what a bridge keeps to another NATS: the events with their sequences and ids, quarantined callbacks, the states of records, and
what the bridge remembers (channels, gaps, ranges of backfills, tokens). Run it while the bridge receives callbacks; then stop the
bridge and run the same command again, which copies the rest, compares both sides and says how to start the bridge.

The source is where the environment says that events are. --from embedded and --to embedded name the streams in BRIDGE_DATA_DIR:

  BRIDGE_NATS_URL is not set    copy --to nats://…       from BRIDGE_DATA_DIR to that NATS
  BRIDGE_NATS_URL is set        copy --from embedded     from BRIDGE_DATA_DIR to BRIDGE_NATS_URL, with its credentials
                                copy --to embedded       back into BRIDGE_DATA_DIR, while no bridge runs on it
                                copy --to nats://…       to another NATS

It creates the target's streams as BRIDGE_STREAM_… say, and says what does not fit before it copies anything. After an interruption,
even kill -9, run the same command to resume: without gaps or duplicates. A target that others have written to is refused; with
--append the history follows what is there, under other sequences, and consumers there get it as new.

Not copied: claims, replay jobs and their events, what consumers gave up on, and consumers. It prints where each durable consumer goes
on. Times of storing are those of the copy. Events still expire when the originals would, but in
the embedded server and in streams that the bridge did not create their age counts from the copy.`,
		Example: `  crm-bridge copy --to nats://nats.example.com:4222 --to-creds bridge.creds
  BRIDGE_NATS_URL=nats://nats.example.com:4222 BRIDGE_NATS_CREDS=bridge.creds crm-bridge copy --from embedded
  BRIDGE_NATS_URL=nats://nats.example.com:4222 BRIDGE_DATA_DIR=back crm-bridge copy --to embedded
  crm-bridge copy --to nats://nats.example.com:4222 --to-creds bridge.creds --verify`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // it may be a URL with a password
				return fmt.Errorf("%w: %s takes flags alone, such as --to", terminal.ErrUsage, cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "embedded: the streams in BRIDGE_DATA_DIR (default: where the environment says that events are)")
	flags.StringVar(&f.to, "to", "", "URL of the target, or embedded (default, with --from embedded: BRIDGE_NATS_URL)")
	f.target.add(cmd)
	flags.BoolVar(&f.appends, "append", false, "copy behind what others have written to the target")
	flags.BoolVar(&f.verifyOnly, "verify", false, "only compare both sides")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say what would be copied, and what does not fit")
	flags.DurationVar(&f.retryFor, "retry-for", 15*time.Minute, "how long to retry an unreachable source or target")
	flags.BoolVar(&f.asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"from": either(embeddedSide), "to": either(embeddedSide)})
	return cmd
}

package store

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

// Copied returns the streams that a copy takes to where Config says that events go. What consumers gave up on and what was replayed is
// not among them: both name consumers, jobs and sequences of one server.
func (c Config) Copied() []transfer.Stream {
	return []transfer.Stream{
		{Config: c.events(nil), Keep: true}, // states of records, and consumers, refer to the sequences of events
		{Config: c.quarantine()},
		{Config: c.records()},
	}
}

// Journals returns the journals that bridges have noted in the bucket beside the streams.
func Journals(ctx context.Context, state *publish.Bucket) ([]OtherJournal, error) {
	return otherJournals(ctx, state, "")
}

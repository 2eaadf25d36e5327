package bridge

import "github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"

// replayPages are the console's pages of replay jobs.
func (b *parts) replayPages() console.ReplayPages {
	jobs := b.Replays
	return console.ReplayPages{
		Prefix: b.Settings.SubjectPrefix, List: jobs.List, Count: jobs.Count, Start: jobs.Start, Stop: jobs.Stop, Resume: jobs.Resume, Delete: jobs.Delete,
	}
}

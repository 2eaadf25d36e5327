package main

import (
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// journalSuffix ends the name of a journal's stream.
const journalSuffix = "_JOURNAL"

// leftJournals says in a sentence for each journal of the data folder, and for those that others have noted, that direct
// delivery does not forward what waits there.
func (b *bridge) leftJournals() []string {
	if b.upkeep == nil {
		return nil
	}
	left, err := publish.Leftovers(b.settings.DataDir, journalSuffix)
	var said []string
	if err != nil {
		said = append(said, fmt.Sprintf("BRIDGE_DATA_DIR %s cannot be searched for journals that wait: %s", b.settings.DataDir, err))
	}
	for _, journal := range left {
		holds := "may hold events (it was not closed in order)"
		if journal.Known {
			holds = fmt.Sprintf("holds events (%d)", journal.Messages)
		}
		said = append(said, fmt.Sprintf("journal %s %s; BRIDGE_DELIVERY=direct does not forward them: start once with BRIDGE_DELIVERY=journal and BRIDGE_STREAM=%s until journalPending is 0",
			journal.Folder, holds, strings.TrimSuffix(journal.Stream, journalSuffix)))
	}
	if elsewhere := b.elsewhere.Load(); elsewhere != nil {
		said = append(said, *elsewhere...)
	}
	return said
}

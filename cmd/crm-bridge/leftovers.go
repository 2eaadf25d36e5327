package main

import (
	"fmt"

	"github.com/crm-bridge/crm-bridge/publish"
)

// leftJournals says in a sentence for each journal of the data folder, and for those that others have noted, that direct
// delivery does not forward what waits there.
func (b *bridge) leftJournals() []string {
	if b.upkeep == nil {
		return nil
	}
	left, err := publish.Leftovers(b.settings.DataDir, "_JOURNAL")
	var said []string
	if err != nil {
		said = append(said, fmt.Sprintf("BRIDGE_DATA_DIR %s cannot be searched for journals that wait: %s", b.settings.DataDir, err))
	}
	for _, journal := range left {
		events := "events (how many is unknown: it was not closed in order)"
		if journal.Known {
			events = fmt.Sprintf("%d events", journal.Messages)
		}
		said = append(said, fmt.Sprintf("journal %s holds %s that BRIDGE_DELIVERY=direct does not forward: start once with BRIDGE_DELIVERY=journal and BRIDGE_STREAM=%s until journalPending is 0",
			journal.Folder, events, journal.Stream[:len(journal.Stream)-len("_JOURNAL")]))
	}
	if elsewhere := b.elsewhere.Load(); elsewhere != nil {
		said = append(said, *elsewhere...)
	}
	return said
}

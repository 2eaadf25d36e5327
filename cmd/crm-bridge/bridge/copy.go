package bridge

import (
	"strings"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

// CopiedStreams returns the streams that a copy takes to where settings say that events go, as a bridge there would make them.
func CopiedStreams(s config.Settings, crms CRMs) []transfer.Stream {
	c := storeConfig(s)
	if c.Duplicates == 0 {
		c.Duplicates = duplicates(crms, c.MaxAge)
	}
	return c.Copied()
}

// CopyGap is the subject of messages that take the place of erased events while a copy runs. It is not that of any CRM.
func CopyGap(s config.Settings) string { return s.SubjectPrefix + ".crm-bridge.Gap.copy" }

// NotCopied are the streams beside those of events that a copy leaves behind.
func NotCopied(s config.Settings) []string {
	return []string{s.DeadStream(), s.ReplayStream()}
}

// IsJournal reports whether a stream of a data folder is a journal.
func IsJournal(stream string) bool { return strings.HasSuffix(stream, "_JOURNAL") }

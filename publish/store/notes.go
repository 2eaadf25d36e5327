package store

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// journalNote is what a bridge with a journal leaves in the shared bucket, so that one that delivers directly can name a
// journal of another folder or machine in which events wait.
type journalNote struct {
	Host    string `json:"host"`
	Folder  string `json:"folder"`
	Pending uint64 `json:"pending"`
	Closed  bool   `json:"closed,omitempty"` // its bridge has ended in order, and nothing more comes
}

const (
	// journalNotes is the prefix of the keys of notes, one for each journal.
	journalNotes = "journal."
	// noteEvery is how often a journal is noted and notes are read; after failures that grows to noteLast. A note that is
	// noteOld is of a bridge that has ended otherwise.
	noteFirst = time.Second
	noteEvery = 5 * time.Second
	noteLast  = time.Hour
	noteOld   = 3 * noteEvery
)

// repeat does something soon, and then every noteEvery until ctx ends, and less often while it fails: a user of NATS may lack
// the right, and nothing depends on it.
func repeat(ctx context.Context, log *slog.Logger, do func(context.Context) error) {
	for wait := noteFirst; ; {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		err := do(ctx)
		if wait = min(2*max(wait, noteEvery), noteLast); err == nil || publish.Temporary(err) {
			wait = noteEvery
		}
		if err != nil {
			log.Debug("journals cannot be noted in the shared state", "error", err)
		}
	}
}

// writeNote replaces the note of the journal with that id.
func writeNote(ctx context.Context, state *publish.Bucket, id string, note journalNote) error {
	value, err := json.Marshal(note)
	if err != nil {
		return err
	}
	_, revision, err := state.Load(ctx, journalNotes+id)
	if err == nil {
		_, err = state.Save(ctx, journalNotes+id, value, revision)
	}
	return err
}

// readNotes returns a sentence for each journal that others have noted, and that is not forwarded now, on what may wait in it.
func readNotes(ctx context.Context, state *publish.Bucket) (waiting []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	saved, err := state.List(ctx, journalNotes)
	for key, one := range saved {
		var note journalNote
		if json.Unmarshal(one.Value, &note) != nil {
			continue
		}
		if says := note.waits(time.Since(one.At)); says != "" {
			waiting = append(waiting, fmt.Sprintf("%s; if it is lost, delete key %s of bucket %s", says, key, state.Name))
		}
	}
	return waiting, err
}

// OtherJournal is the journal of another bridge, on this machine or elsewhere.
type OtherJournal struct {
	ID      string
	Where   string // for a person
	Running bool   // its bridge was seen within the last seconds
	MayHold bool   // events may wait in it
}

// otherJournals returns the journals that others have noted, but for the one with an id.
func otherJournals(ctx context.Context, state *publish.Bucket, own string) (others []OtherJournal, err error) {
	saved, err := state.List(ctx, journalNotes)
	for _, key := range slices.Sorted(maps.Keys(saved)) {
		var note journalNote
		id := strings.TrimPrefix(key, journalNotes)
		if id == own || json.Unmarshal(saved[key].Value, &note) != nil {
			continue
		}
		running := !note.Closed && time.Since(saved[key].At) <= noteOld
		others = append(others, OtherJournal{id, note.where(), running, running || note.waits(time.Since(saved[key].At)) != ""})
	}
	return others, err
}

// where says where a journal is.
func (n journalNote) where() string {
	return fmt.Sprintf("the journal in folder %q of host %q", strings.ToValidUTF8(n.Folder, "?"), strings.ToValidUTF8(n.Host, "?"))
}

// waits returns what may wait in a journal that was noted so long ago; empty where its bridge still runs or it ended empty.
func (n journalNote) waits(ago time.Duration) string {
	where := n.where()
	const cure = "; BRIDGE_DELIVERY=direct does not forward them: start a bridge with BRIDGE_DELIVERY=journal on that folder until journalPending is 0"
	switch {
	case n.Closed && n.Pending > 0:
		return fmt.Sprintf("%s holds events (%d)%s", where, n.Pending, cure)
	case !n.Closed && ago > noteOld:
		return fmt.Sprintf("%s may hold events, for it was not seen empty when its bridge ended (%d when it was last noted)%s", where, n.Pending, cure)
	}
	return ""
}

// leftIn returns a sentence for each journal of a data folder: direct delivery does not forward what waits there.
func leftIn(folder string) (said []string) {
	left, err := disk.Leftovers(folder, journalSuffix)
	if err != nil {
		said = append(said, fmt.Sprintf("BRIDGE_DATA_DIR %s cannot be searched for journals that wait: %s", folder, err))
	}
	for _, journal := range left {
		holds := "may hold events (it was not closed in order)"
		if journal.Known {
			holds = fmt.Sprintf("holds events (%d)", journal.Messages)
		}
		said = append(said, fmt.Sprintf("journal %s %s; BRIDGE_DELIVERY=direct does not forward them: start once with BRIDGE_DELIVERY=journal and BRIDGE_STREAM=%s until journalPending is 0",
			journal.Folder, holds, strings.TrimSuffix(journal.Stream, journalSuffix)))
	}
	return said
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/publish"
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

// startNotes notes the journal, or with direct delivery reads the notes of others, until ctx ends, and closes done then.
func (b *bridge) startNotes(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		switch {
		case b.forwarder != nil:
			b.repeat(ctx, func(ctx context.Context) error { return b.noteJournal(ctx, false) })
		case b.upkeep != nil:
			b.repeat(ctx, b.readNotes)
		}
	}()
	return done
}

// repeat does something soon, and then every noteEvery until ctx ends, and less often while it fails: a user of NATS may lack
// the right, and nothing depends on it.
func (b *bridge) repeat(ctx context.Context, do func(context.Context) error) {
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
			b.log.Debug("journals cannot be noted in the shared state", "error", err)
		}
	}
}

// noteJournal notes how much waits in the journal, where the remote can be reached.
func (b *bridge) noteJournal(ctx context.Context, closed bool) error {
	if _, err := b.forwarder.Reach(); err != nil {
		return nil // there is nobody to tell
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	pending, _, err := b.forwarder.Pending(ctx)
	if err != nil {
		return err
	}
	id, err := b.madeSecret(datadir.JournalSecret)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	value, err := json.Marshal(journalNote{host, b.data.Path, pending, closed})
	if err != nil {
		return err
	}
	state := &publish.State{Reach: b.forwarder.Reach, Bucket: b.settings.StateBucket(), Replicas: b.settings.StreamReplicas}
	_, revision, err := state.Load(ctx, journalNotes+id)
	if err == nil {
		_, err = state.Save(ctx, journalNotes+id, value, revision)
	}
	return err
}

// readNotes remembers, and says once, which journals of other bridges hold events that are not forwarded now.
func (b *bridge) readNotes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	state := &publish.State{Reach: b.local, Bucket: b.settings.StateBucket()}
	saved, err := state.List(ctx, journalNotes)
	if err != nil {
		return err
	}
	var waiting []string
	for key, one := range saved {
		var note journalNote
		if json.Unmarshal(one.Value, &note) != nil {
			continue
		}
		if says := note.waits(time.Since(one.At)); says != "" {
			says += fmt.Sprintf("; if it is lost, delete key %s of bucket %s", key, state.Bucket)
			waiting = append(waiting, says)
			if _, said := b.warned.LoadOrStore(says, true); !said {
				b.log.Error(says)
			}
		}
	}
	b.elsewhere.Store(&waiting)
	return nil
}

// waits says what may wait in a journal that was noted so long ago; nothing where its bridge still runs or it ended empty.
func (n journalNote) waits(ago time.Duration) string {
	where := fmt.Sprintf("the journal in folder %q of host %q", strings.ToValidUTF8(n.Folder, "?"), strings.ToValidUTF8(n.Host, "?"))
	const cure = "; BRIDGE_DELIVERY=direct does not forward them: start a bridge with BRIDGE_DELIVERY=journal on that folder until journalPending is 0"
	switch {
	case n.Closed && n.Pending > 0:
		return fmt.Sprintf("%s holds events (%d)%s", where, n.Pending, cure)
	case !n.Closed && ago > noteOld:
		return fmt.Sprintf("%s may hold events, for it was not seen empty when its bridge ended (%d when it was last noted)%s", where, n.Pending, cure)
	}
	return ""
}

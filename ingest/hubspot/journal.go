package hubspot

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// journal empties an app's webhooks journal, as ingest.Drainer. It holds the changes of all portals for three days.
type journal struct {
	app     *app
	portals ingest.AccountIDs
	wanted  Wanted
	log     *slog.Logger
}

// position is how far the journal is read. It is stored when what is before it is safe.
type position struct {
	Offset    string    // behind the last file that was accepted; empty: none was
	Published time.Time // of that file
	Next      string    `json:",omitempty"` // of the file behind it, if some of its events are accepted
	Done      int       `json:",omitempty"` // how many
}

const (
	// chunk is how many events are accepted at once.
	chunk = 500
	// lag is how long before its file an event may have occurred.
	lag = 10 * time.Minute
	// kept is how long the journal keeps a file.
	kept = 72 * time.Hour
)

// Drain implements ingest.Drainer. Where the journal has lost files that were not read, the time since the last one that was is a gap.
func (j *journal) Drain(ctx context.Context, state ingest.State, accept ingest.Accept, note func(ingest.Gap) error) error {
	reading := &reading{journal: j, stored: rest.Value[position]{Store: state.Shared, Key: "hubspot.journal"}, accept: accept, note: note}
	var err error
	if reading.position, reading.revision, err = reading.stored.Load(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if more, err := reading.next(ctx); err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

// reading is one Drain.
type reading struct {
	*journal
	position
	stored   rest.Value[position]
	revision uint64
	accept   ingest.Accept
	note     func(ingest.Gap) error
}

// next reads the next file; more is false where there is none.
func (r *reading) next(ctx context.Context) (more bool, err error) {
	got, err := r.app.fetch(ctx, r.Offset)
	if answered(err, 404) && r.Offset != "" {
		r.log.Warn("the journal no longer has the files that follow the last one that was read; it is read from its earliest", "published", r.Published)
		if got, err = r.app.fetch(ctx, ""); err == nil {
			err = r.lost(got)
		}
		if err == nil && got == nil {
			return false, r.save(ctx, position{Published: time.Now().UTC()})
		}
	}
	if err != nil || got == nil {
		return false, err
	}
	if got.broken != nil {
		r.log.Error("a file of the journal cannot be read and is skipped", "offset", got.offset, "reason", got.broken)
		err = r.lost(nil)
	} else {
		err = r.take(ctx, got)
	}
	if err != nil {
		return false, err
	}
	after := position{Offset: got.offset, Published: got.published}
	if after.Published.IsZero() {
		after.Published = r.Published
	}
	return true, r.save(ctx, after)
}

// lost notes the time from the last file that was read until another one, or until now, as a gap of all that is wanted.
func (r *reading) lost(until *file) error {
	gap := ingest.Gap{Since: r.Published, Until: time.Now().UTC()}
	if until != nil && !until.published.IsZero() {
		gap.Until = until.published
	}
	if gap.Since.IsZero() {
		gap.Since = gap.Until.Add(-kept)
	}
	gap.Since = gap.Since.Add(-lag)
	for _, gap.Account = range r.portals {
		for _, one := range r.wanted {
			gap.Module = one.Module
			if err := r.note(gap); err != nil {
				return err
			}
		}
	}
	return nil
}

// take has the events of a file accepted, in order. Those that are malformed, or are rejected permanently, are logged and left out, so that
// they do not hold up the others.
func (r *reading) take(ctx context.Context, got *file) error {
	done := 0
	if r.Next == got.offset {
		done = min(r.Done, len(got.events))
	}
	for done < len(got.events) {
		part := got.events[done:min(done+chunk, len(got.events))]
		var changes []ingest.Change
		for i, raw := range part {
			change, err := decodeJournal(raw, r.portals)
			switch {
			case errors.Is(err, ingest.ErrIgnored):
			case err != nil:
				r.log.Error("an event of the journal is malformed and left out", "offset", got.offset, "event", done+i, "reason", err)
			default:
				change.Mark = got.offset + "/" + strconv.Itoa(done+i)
				changes = append(changes, change)
			}
		}
		_, err := r.accept.Each(ctx, changes, func(i int, err error) {
			r.log.Error("an event of the journal was rejected permanently and is left out", "offset", got.offset, "event", changes[i].Mark, "reason", err)
		})
		if err != nil {
			return err
		}
		if done += len(part); done < len(got.events) {
			if err := r.save(ctx, position{Offset: r.Offset, Published: r.Published, Next: got.offset, Done: done}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reading) save(ctx context.Context, at position) (err error) {
	r.position = at
	r.revision, err = r.stored.Save(ctx, at, r.revision)
	return err
}

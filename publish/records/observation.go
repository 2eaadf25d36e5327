package records

import (
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// observation is what is known of a record: by its events, and by reading it.
type observation struct {
	record    *ingest.Record // as it was; nil: it was not seen
	at        time.Time      // when it was read, or when the event that holds it came
	isRead    bool           // from the CRM, and not taken from an event
	after     uint64         // if it was read: the sequence of the last state before; 0: there was none
	absent    bool           // the CRM has none
	changed   bool           // an event says that it was made or changed
	changedAt time.Time      // by the CRM's clock; zero: unknown
	deleted   bool           // an event says that it was deleted
	deletedAt time.Time      // by the CRM's clock; zero: unknown
	deletedBy string
}

// verdict is what becomes of an observation.
type verdict int

const (
	keepLast  verdict = iota // the last state is as new
	publishIt                // it is newer
	readFirst                // the CRM has to be asked which is newer
)

// staleReads is how often a record is read again whose answer is older than the last state: an API may answer from a copy.
const staleReads = 3

// against compares an observation with the last state of its record; nil: there is none. tries is how often it was read again for that.
func (o *observation) against(last *held, tries int) verdict {
	switch {
	case o.deleted && o.isStale() && tries < staleReads:
		return readFirst
	case o.isDeletion():
		return o.deletion(last)
	case o.record == nil: // not there, or not shown: a deletion comes by itself
		return keepLast
	case last == nil:
		return publishIt
	}
	older := isBefore(o.record.ModifiedAt, last.ModifiedAt)
	if last.After == nil { // deleted: an edit after that opens it again
		older = older || o.record.ModifiedAt.Equal(last.ModifiedAt) && !last.ModifiedAt.IsZero()
	}
	switch {
	case older && !o.isRead:
		return keepLast
	case older && tries < staleReads:
		return readFirst
	case older && last.After != nil:
		return keepLast
	case last.After == nil:
		return publishIt
	case len(changed(last.After, o.record.Values)) == 0:
		return keepLast
	case o.record.ModifiedAt.Equal(last.ModifiedAt) && (!o.isRead || o.after != last.sequence):
		return readFirst // most CRMs have whole seconds, and the last state may be of a later moment of this one
	}
	return publishIt
}

// deletion is the verdict of an observation whose last event is a deletion.
func (o *observation) deletion(last *held) verdict {
	switch {
	case last == nil:
		return publishIt
	case last.After == nil:
		return keepLast
	case !o.isRead && isBefore(o.deletedAt, last.ModifiedAt): // perhaps it was restored since
		return readFirst
	}
	return publishIt
}

// isDisputed reports whether events say both that the record was deleted and that it was changed, so that the CRM has to be asked.
func (o *observation) isDisputed() bool { return o.deleted && o.changed }

// isStale reports whether the CRM showed the record as it was before it was deleted: it was restored, or the answer is old.
func (o *observation) isStale() bool {
	return o.isRead && o.record != nil && isBefore(o.record.ModifiedAt, o.deletedAt)
}

// isDeletion reports whether the record is deleted.
func (o *observation) isDeletion() bool {
	switch {
	case !o.deleted:
		return false
	case !o.isRead || o.record == nil:
		return true
	}
	return o.isStale() && (!o.changed || isBefore(o.changedAt, o.deletedAt))
}

// isBefore reports whether both times are known, and the first is earlier.
func isBefore(a, b time.Time) bool { return !a.IsZero() && !b.IsZero() && a.Before(b) }

package keep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// ledger remembers which spans of a module were backfilled, so that a second backfill publishes no event twice, whenever it
// comes and whatever it asks for.
type ledger struct {
	Done []ReadSpan // in order, without overlaps
	Part *part      // what was begun and is not done yet

	store    ingest.Store
	key      string
	revision uint64
}

// Period is from Since up to, and without, Until.
type Period struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// ReadSpan is a period that was backfilled, and when: zero where an earlier version did not note it.
type ReadSpan struct {
	Period
	ReadAt time.Time `json:"readAt,omitzero"`
}

// part is a Period that is being backfilled.
type part struct {
	Period
	Again   bool      `json:",omitempty"` // it was read before, or may have been
	Began   time.Time `json:",omitzero"`
	Cursor  string    // of the last page that is safe
	Before  []uint64  // the stream's last sequence before each of the last pages was sent, the one on its way among them
	Records int
}

// looksBack is how many pages a run that was interrupted looks back for in the stream: the page that was on its way, and
// those that the CRM lists again because a cursor leads to a second, not to a record.
const looksBack = 25

// sends notes the stream's last sequence before another page is sent.
func (p *part) sends(last uint64) {
	p.Before = append(p.Before, last)
	p.Before = p.Before[max(0, len(p.Before)-looksBack):]
}

// openLedger loads the ledger of a module of a provider's account.
func openLedger(ctx context.Context, store ingest.Store, provider, account, module string) (*ledger, error) {
	sum := sha256.Sum256([]byte(strings.Join([]string{provider, account, strings.ToLower(module)}, "\n")))
	l := &ledger{store: store, key: "backfill." + hex.EncodeToString(sum[:16])}
	value, revision, err := store.Load(ctx, l.key)
	if err == nil && value != nil {
		err = json.Unmarshal(value, l)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger of backfills: %w", err)
	}
	l.revision = revision
	return l, nil
}

// save keeps the ledger. It fails if another backfill of the module is at work.
func (l *ledger) save(ctx context.Context) error {
	value, err := json.Marshal(l)
	if err == nil {
		l.revision, err = l.store.Save(ctx, l.key, value, l.revision)
	}
	if errors.Is(err, ingest.ErrConflict) {
		return errors.New("another backfill of this module is at work: wait for its end")
	}
	if err != nil {
		return fmt.Errorf("ledger of backfills: %w", err)
	}
	return nil
}

// open returns what of a period is not done yet, in order.
func (l *ledger) open(asked Period) []Period {
	parts := []Period{asked}
	for _, done := range l.Done {
		parts = without(parts, done.Period)
	}
	return parts
}

// read returns what of a period was read before, and when.
func (l *ledger) read(asked Period) (spans []ReadSpan) {
	for _, done := range l.Done {
		both := Period{later(asked.Since, done.Since), earlier(asked.Until, done.Until)}
		if both.Since.Before(both.Until) {
			spans = append(spans, ReadSpan{both, done.ReadAt})
		}
	}
	return spans
}

// without returns what of periods lies outside of one, in order.
func without(periods []Period, gone Period) (rest []Period) {
	for _, p := range periods {
		if before := (Period{p.Since, earlier(p.Until, gone.Since)}); before.Since.Before(before.Until) {
			rest = append(rest, before)
		}
		if after := (Period{later(p.Since, gone.Until), p.Until}); after.Since.Before(after.Until) {
			rest = append(rest, after)
		}
	}
	return rest
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// maxDone bounds how many spans are kept apart by the day on which they were read.
const maxDone = 500

// finish adds a period to what is done. Of what was read before only the last time counts.
func (l *ledger) finish(ctx context.Context, p Period) error {
	l.Part = nil
	all := []ReadSpan{{p, time.Now().UTC()}}
	for _, done := range l.Done {
		for _, rest := range without([]Period{done.Period}, p) {
			all = append(all, ReadSpan{rest, done.ReadAt})
		}
	}
	slices.SortFunc(all, func(a, b ReadSpan) int { return a.Since.Compare(b.Since) })
	l.Done = joined(all, len(all) > maxDone)
	return l.save(ctx)
}

// joined joins spans that touch and were read on the same day, or all that touch.
func joined(spans []ReadSpan, all bool) []ReadSpan {
	joined := spans[:1]
	for _, next := range spans[1:] {
		last := &joined[len(joined)-1]
		if next.Since.After(last.Until) || !all && next.ReadAt.Format(time.DateOnly) != last.ReadAt.Format(time.DateOnly) {
			joined = append(joined, next)
			continue
		}
		last.Until, last.ReadAt = next.Until, earlier(last.ReadAt, next.ReadAt)
	}
	return joined
}

// resumesFor is how long after its beginning an interrupted part that is read again is resumed; after that all of it is read.
const resumesFor = 24 * time.Hour

// resumes reports whether reading a span again was interrupted a short time ago.
func (l *ledger) resumes() bool {
	return l.Part != nil && l.Part.Again && time.Since(l.Part.Began) < resumesFor
}

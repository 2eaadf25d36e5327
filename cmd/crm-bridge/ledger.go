package main

import (
	"cmp"
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

// ledger remembers which spans of a module were backfilled, so that no event is published twice by a second backfill,
// whenever it comes and whatever it asks for.
type ledger struct {
	Done []period
	Part *part // what was begun and is not done yet

	store    ingest.Store
	key      string
	revision uint64
}

// period is from Since up to, and without, Until.
type period struct{ Since, Until time.Time }

// part is a period that is being backfilled.
type part struct {
	period
	Cursor  string   // of the last page that is safe
	Before  []uint64 // the stream's last sequence before each of the last pages was sent, the one on its way among them
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
func (l *ledger) open(asked period) []period {
	var parts []period
	at := asked.Since
	for _, done := range l.Done { // in order, without overlaps
		if !done.Until.After(at) || !done.Since.Before(asked.Until) {
			continue
		}
		if done.Since.After(at) {
			parts = append(parts, period{at, done.Since})
		}
		at = done.Until
	}
	if at.Before(asked.Until) {
		parts = append(parts, period{at, asked.Until})
	}
	return parts
}

// finish adds a period to what is done.
func (l *ledger) finish(ctx context.Context, p period) error {
	l.Part = nil
	all := append(l.Done, p)
	slices.SortFunc(all, func(a, b period) int { return cmp.Or(a.Since.Compare(b.Since), a.Until.Compare(b.Until)) })
	l.Done = all[:1]
	for _, next := range all[1:] {
		if last := &l.Done[len(l.Done)-1]; next.Since.After(last.Until) {
			l.Done = append(l.Done, next)
		} else if next.Until.After(last.Until) {
			last.Until = next.Until
		}
	}
	return l.save(ctx)
}

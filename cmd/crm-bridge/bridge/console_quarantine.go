package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// pages are the console's pages of quarantine.
func (q *waitings) pages(crms CRMs, stream string, report func(context.Context) status.Report) console.QuarantinePages {
	return console.QuarantinePages{
		Report: report, Sources: crms.Labels(), Stream: stream,
		Get: q.get,
		List: func(ctx context.Context, selected quarantine.Selection, most int) (quarantine.Page[quarantine.Listed], error) {
			return pageOf(ctx, q, selected, most, listFor, func(_ context.Context, of waiting, kept publish.Kept) quarantine.Listed { return of.list(kept) })
		},
		Redrive: func(ctx context.Context, selected quarantine.Selection, most int, dryRun bool) (quarantine.Page[quarantine.Redriven], error) {
			return pageOf(ctx, q, selected, most, settleFor, func(ctx context.Context, of waiting, kept publish.Kept) quarantine.Redriven {
				return of.redrive(ctx, kept, dryRun)
			})
		},
		Drop: func(ctx context.Context, selected quarantine.Selection, most int) (quarantine.Page[quarantine.Dropped], error) {
			return pageOf(ctx, q, selected, most, settleFor, func(ctx context.Context, of waiting, kept publish.Kept) quarantine.Dropped { return of.drop(ctx, kept) })
		},
	}
}

// get returns the callback, or the rejected event, with an id.
func (q *waitings) get(ctx context.Context, id string) (quarantine.Kept, error) {
	of, kept, err := q.find(ctx, id)
	if err != nil {
		return quarantine.Kept{}, err
	}
	if of == nil {
		return quarantine.Kept{}, notWaiting(id)
	}
	whole := quarantine.Kept{Listed: of.list(kept)}
	var was transform.Quarantined
	if json.Unmarshal(kept.Body, &was) == nil && was.Method != "" {
		callback := was.Callback()
		whole.Request, whole.ContentType, whole.Body = was.Method+" "+was.Path, was.ContentType, callback.Body
		if was.RawQuery != "" {
			whole.Request += "?" + was.RawQuery
		}
		return whole, nil
	}
	var event bytes.Buffer
	err = terminal.JSONEncoder(&event).Encode(of.show(kept))
	whole.Body = event.Bytes()
	return whole, err
}

// notWaiting says that nothing of an id is in quarantine: it never was, or was settled meanwhile.
func notWaiting(id string) error {
	return console.NotFound(id + " is not in quarantine: it was redriven or dropped, or it was never there")
}

// How long one page searches for what a selection means; the next one goes on where it stopped.
const (
	listFor   = 2 * time.Second
	settleFor = 30 * time.Second
)

// errEnough ends a page.
var errEnough = errors.New("enough")

// pageOf returns what do returns for those of a selection, at most so many.
func pageOf[T any](ctx context.Context, q *waitings, selected quarantine.Selection, most int, within time.Duration, do func(context.Context, waiting, publish.Kept) T) (page quarantine.Page[T], err error) {
	if selected.ID != "" {
		of, kept, err := q.find(ctx, selected.ID)
		if err == nil && of == nil {
			err = notWaiting(selected.ID)
		}
		if err == nil {
			page.Lines = append(page.Lines, do(ctx, of, kept))
		}
		return page, err
	}
	var of waiting = q.callbacks
	if selected.Refused() {
		of = q.refused
	}
	began := time.Now()
	page.Last = selected.After
	err = of.After(ctx, selected.After, func(kept publish.Kept) error {
		if selected.Upto > 0 && kept.Sequence > selected.Upto {
			page.Next = selected.Upto
			return errEnough
		}
		if len(page.Lines) == most || page.Last > selected.After && time.Since(began) > within {
			page.Next = page.Last
			return errEnough
		}
		if page.Last = kept.Sequence; selected.Has(of.list(kept)) {
			page.Lines = append(page.Lines, do(ctx, of, kept))
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return page, err
}

package receive

import (
	"context"
	"errors"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// take verifies, decodes and stores a callback. A malformed one is stored in quarantine.
func (h *Handler) take(ctx context.Context, source ingest.Source, cb ingest.Callback, capacity *capacity, into *result) error {
	done, err := capacity.begin(ctx, len(cb.Body), 1, into.authenticated)
	if err != nil {
		into.turnedAway = true
		return err
	}
	defer func() { done() }()
	err = source.Verify(ctx, cb)
	into.authenticated = err == nil
	into.turnedAway = errors.Is(err, ingest.ErrUnasked)
	if err != nil {
		return err
	}
	// Only authenticated callbacks count, or anyone could use up the rate of the CRM.
	if into.limit != nil && !into.limit.Allow() {
		h.Metrics.limitHits.WithLabelValues("rate").Inc()
		return echo.ErrTooManyRequests
	}
	changes, err := source.Decode(cb)
	var partly ingest.Partly
	switch {
	case errors.Is(err, ingest.ErrIgnored):
		into.ignored = true
		return nil
	case errors.As(err, &partly):
		err = nil
	}
	if err == nil && ctx.Err() != nil {
		return fmt.Errorf("%w: decoding it took longer than BRIDGE_ANSWER_TIMEOUT", ingest.ErrRetry)
	}
	events := 1
	if h.PerRecord {
		events = max(1, records(changes))
	}
	if events > 1 {
		done() // holding it while waiting could deadlock
		again, failed := capacity.begin(ctx, len(cb.Body), events, true)
		if failed != nil {
			done = func() {}
			return failed
		}
		done = again
	}
	if err == nil && len(changes) > 0 {
		trace := ingest.TraceParent(cb.Header)
		for i := range changes {
			changes[i].TraceParent = trace
		}
		into.changes = changes
		var refused ingest.Partly
		if into.acks, refused, err = h.accept(ctx, changes); errors.Is(err, ingest.ErrUnanswered) {
			capacity.linger(len(cb.Body), events)
		}
		partly = append(partly, refused...)
	}
	switch {
	case errors.Is(err, ingest.ErrMalformed):
		partly = ingest.Partly{{Body: cb.Body, Reason: err}} // all of it
	case err != nil:
		return err
	}
	return h.keep(ctx, cb, partly, into)
}

// accept stores changes. Of a batch it stores those that make valid events, and returns the others as parts.
func (h *Handler) accept(ctx context.Context, changes []ingest.Change) (acks []ingest.Ack, refused ingest.Partly, err error) {
	if len(changes) == 1 {
		acks, err = h.Accept(ctx, changes)
		return acks, nil, err
	}
	acks, err = h.Accept.Each(ctx, changes, func(i int, err error) {
		refused = append(refused, ingest.Part{Body: changes[i].NativeBody, Reason: err})
	})
	return acks, refused, err
}

// keep stores parts of a callback in quarantine, and returns the reason of the first where nothing else of the callback is stored.
func (h *Handler) keep(ctx context.Context, cb ingest.Callback, partly ingest.Partly, into *result) error {
	for _, part := range partly {
		cb.Body = part.Body
		id, err := h.Quarantine(ctx, cb, part.Reason)
		if err != nil {
			return fmt.Errorf("%w: quarantine: %w; it was not stored in the stream because: %s", ingest.ErrRetry, err, part.Reason.Error())
		}
		into.kept = append(into.kept, quarantined{id, part.Reason.Error()})
	}
	if len(into.acks) == 0 && len(partly) > 0 {
		return partly[0].Reason
	}
	return nil
}

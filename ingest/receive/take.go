package receive

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// take verifies and decodes a callback, stores its changes, and then what is malformed of it, in quarantine.
func (h *Handler) take(ctx context.Context, cb ingest.Callback, into *result) error {
	held, err := into.capacity.begin(ctx, len(cb.Body), 1, into.authenticated)
	if err != nil {
		into.turnedAway = true
		return err
	}
	defer func() { held.end() }()
	if err := h.verify(ctx, cb, into); err != nil {
		return err
	}
	cb.Org = into.org.key
	changes, malformed, err := decode(ctx, into.org.source, cb)
	if errors.Is(err, ingest.ErrIgnored) {
		into.ignored = into.org.explain(err)
		return nil
	}
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: decoding it took longer than BRIDGE_ANSWER_TIMEOUT", ingest.ErrRetry)
		}
		events := 1
		if h.PerRecord {
			events = wholeEvents(changes)
		}
		if events > 1 {
			held.end() // holding it while waiting could deadlock
			if held, err = into.capacity.begin(ctx, len(cb.Body), events, true); err != nil {
				return err
			}
		}
		invalid, err := h.store(ctx, cb, changes, into)
		if errors.Is(err, ingest.ErrUnanswered) {
			into.capacity.linger(len(cb.Body), events)
		}
		if err != nil {
			return err
		}
		malformed = append(malformed, invalid...)
	}
	if len(malformed) == 0 {
		return nil
	}
	return h.quarantine(ctx, cb, malformed, into)
}

// verify returns nil for an authenticated callback within the rate of its source.
func (h *Handler) verify(ctx context.Context, cb ingest.Callback, into *result) (err error) {
	ctx, span := trace.Start(ctx, "authenticate", trace.Internal)
	into.org, err = into.orgs.verify(ctx, cb)
	into.authenticated = err == nil
	into.turnedAway = errors.Is(err, ingest.ErrUnasked)
	if err != nil {
		return err // its spans do not end: see exported
	}
	span.End()
	// Only authenticated callbacks count, or anyone could use up the rate of the CRM.
	if into.limit != nil && !into.limit.Allow() {
		h.Metrics.limitHits.WithLabelValues("rate").Inc()
		return echo.ErrTooManyRequests
	}
	return nil
}

// maxParts limits how much of a batch is quarantined in parts. A batch with more malformed parts is quarantined whole, and nothing of it
// is published.
const maxParts = 200

// decode returns the changes that a callback reports, and its malformed parts: those of a batch, or all of it.
func decode(ctx context.Context, source ingest.Source, cb ingest.Callback) (changes []ingest.Change, malformed ingest.Partly, err error) {
	_, span := trace.Start(ctx, "decode", trace.Internal)
	defer span.End()
	changes, err = source.Decode(cb)
	cb.Parsed.Forget() // storing may take long
	if err == nil {
		return changes, nil, nil
	}
	var parts ingest.Partly
	switch {
	case errors.As(err, &parts) && len(parts) > 0 && len(parts) <= maxParts:
		return changes, parts, nil
	case errors.Is(err, ingest.ErrMalformed):
		return nil, ingest.Partly{{Body: cb.Body, Reason: err}}, nil
	}
	return nil, nil, err
}

// store has changes accepted, and returns the parts of the callback that cannot become events. Of a batch the others are accepted.
func (h *Handler) store(ctx context.Context, cb ingest.Callback, changes []ingest.Change, into *result) (invalid ingest.Partly, err error) {
	parent, batch := ingest.TraceParent(cb.Header), true
	for i := range changes {
		changes[i].TraceParent, changes[i].Org = parent, cb.Org
		batch = batch && changes[i].Alone != nil
	}
	into.changes = changes
	if batch {
		return h.storeEach(ctx, changes, into)
	}
	into.acks, err = h.Accept(ctx, changes)
	if errors.Is(err, ingest.ErrMalformed) {
		return ingest.Partly{{Body: cb.Body, Reason: err}}, nil
	}
	return nil, err
}

func (h *Handler) storeEach(ctx context.Context, changes []ingest.Change, into *result) (invalid ingest.Partly, err error) {
	into.acks, err = h.Accept.Each(ctx, changes, func(i int, err error) {
		invalid = append(invalid, ingest.Part{Body: changes[i].Alone, Reason: err})
	})
	return invalid, err
}

// inQuarantine is the error of a callback of which nothing was stored but what is in quarantine.
type inQuarantine struct{ parts ingest.Partly }

func (q inQuarantine) Error() string { return q.parts.Error() }

// quarantiners is how many parts of a batch are stored at once.
const quarantiners = 8

// quarantine stores parts of a callback in quarantine. Where some of them cannot be stored, the error is ErrRetry, and those that were
// stored are stored once more when the callback is repeated.
func (h *Handler) quarantine(ctx context.Context, cb ingest.Callback, parts ingest.Partly, into *result) error {
	ctx, span := trace.Start(ctx, "quarantine", trace.Internal)
	defer span.End()
	ids, failures := make([]string, len(parts)), make([]error, len(parts))
	var all sync.WaitGroup
	for first := range min(quarantiners, len(parts)) {
		all.Go(func() {
			for i := first; i < len(parts); i += quarantiners {
				ids[i], failures[i] = h.keep(ctx, cb, parts[i])
			}
		})
	}
	all.Wait()
	var failed error
	for i, part := range parts {
		switch {
		case failures[i] == nil:
			into.kept = append(into.kept, quarantined{ids[i], part.Reason.Error()})
		case failed == nil:
			failed = fmt.Errorf("%w: quarantine: %w; it was not stored in the stream because: %s", ingest.ErrRetry, failures[i], part.Reason.Error())
		}
	}
	if failed == nil && len(into.acks) == 0 {
		failed = inQuarantine{parts}
	}
	return failed
}

// keep stores one part in quarantine. A panic is its error, because a goroutine of its own would end the process.
func (h *Handler) keep(ctx context.Context, cb ingest.Callback, part ingest.Part) (id string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	cb.Body, cb.Parsed = part.Body, nil // other parts are read at the same time
	return h.Quarantine(ctx, cb, part.Reason)
}

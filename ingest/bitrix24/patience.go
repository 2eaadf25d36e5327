package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// passing reports whether a later try may succeed.
func passing(err error) bool {
	var away *unreachable
	var refusal *Refusal
	if errors.As(err, &away) {
		return true
	}
	return errors.As(err, &refusal) && (refusal.Status >= 500 || refusal.Status == http.StatusTooManyRequests)
}

// reserves reports whether a call takes events from the queue, so that a second one would not see them.
func reserves(method string, params map[string]any) bool {
	return method == "event.offline.get" && params["process_id"] == nil
}

// unsure reports whether a call may have been carried out although it has failed.
func unsure(err error) bool {
	var away *unreachable
	var refusal *Refusal
	return errors.As(err, &away) || errors.As(err, &refusal) && refusal.Status >= 500 && !refusedWith(err, "QUERY_LIMIT_EXCEEDED")
}

// backoff is how long to wait after a try: a second, doubled each time, half of it by chance. A method whose time in ten
// minutes is used up (OPERATION_TIME_LIMIT) takes longer to come back.
func backoff(err error, try int) time.Duration {
	first := time.Second
	if refusedWith(err, "OPERATION_TIME_LIMIT") {
		first = 30 * time.Second
	}
	wait := min(first<<(try-1), maxWait)
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // to spread tries, not to hide anything
}

// sleep waits, or returns at once where ctx leaves no time for it.
func sleep(ctx context.Context, d time.Duration) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// hurry is how much of ctx's time must be left to begin something that should not be broken off.
const hurry = 3 * time.Second

// late reports whether it is too late to begin.
func late(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(end) < hurry
}

// explain adds to a refusal what can be done about it.
func explain(err error) error {
	switch {
	case refusedWith(err, "WRONG_AUTH_TYPE"):
		return fmt.Errorf("%w; events take the credentials of an installed application, not those of an inbound webhook", err)
	case refusedWith(err, "ACCESS_DENIED"):
		return fmt.Errorf("%w; it takes an administrator of the portal, on a plan with REST: install the application as one", err)
	case refusedWith(err, "ERROR_EVENT_NOT_FOUND"):
		return fmt.Errorf("%w; the portal does not know that event, or the application lacks the permission crm", err)
	case refusedWith(err, "insufficient_scope"):
		return fmt.Errorf("%w; give the application the permission crm", err)
	}
	return err
}

package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// passing reports whether a later try may succeed.
func passing(err error) bool {
	var away *rest.Unreachable
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
	var away *rest.Unreachable
	var refusal *Refusal
	return errors.As(err, &away) || errors.As(err, &refusal) && refusal.Status >= 500 && !refusedWith(err, "QUERY_LIMIT_EXCEEDED")
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

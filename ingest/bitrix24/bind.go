package bitrix24

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Subscriptions keeps events bound in portals: online events to Handler, or offline events to the portal's queue.
// Bindings do not expire, but an update of the application loses them, and an administrator may. Set the fields once.
type Subscriptions struct {
	Client  *Client
	Portals []string // member_ids
	Events  Wanted
	Handler string // where the portals post to: <public URL>/bitrix24/events
	Offline bool   // the events wait in the portal's queue instead

	mu      sync.Mutex
	checked map[string]checkedPortal
}

// checkedPortal is the last check of a portal by this process.
type checkedPortal struct {
	channel ingest.Channel
	asked   string    // what bindings.Asked was then
	next    time.Time // when the next one is due
	failure error
}

// How often bindings are checked.
const (
	lookEvery = time.Hour
	lookAgain = 5 * time.Minute // after a failure
)

// channelID is the channel as which a portal's bindings are listed.
func (s *Subscriptions) channelID() string {
	if s.Offline {
		return "offline"
	}
	return "events"
}

// settle changes a portal's bindings from have to what is needed. What failed is in the error; the rest is done all the same.
func (s *Subscriptions) settle(ctx context.Context, table table, member string, kept *bindings, have []binding) error {
	var failed error
	needed := s.needed()
	for _, want := range needed {
		if slices.Contains(have, want) {
			continue
		}
		if late(ctx) {
			return errors.Join(failed, errors.New("not all events could be bound in time; the next check continues"))
		}
		bound := time.Now()
		if err := s.bind(ctx, member, want); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		kept.covered(table, &s.Client.portal(member).clock, member, want, bound)
	}
	for _, old := range kept.all() {
		if slices.Contains(needed, old) {
			continue
		}
		if slices.Contains(have, old) {
			if err := s.unbind(ctx, member, old); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		kept.remove(old)
	}
	return failed
}

// needed returns what should be bound.
func (s *Subscriptions) needed() []binding {
	var all []binding
	for _, event := range s.Events {
		if s.Offline {
			all = append(all, binding{event: event, offline: true})
			continue
		}
		all = append(all, binding{event: event, handler: s.Handler})
	}
	if s.Handler != "" && len(s.Events) > 0 {
		for _, event := range lifecycle {
			all = append(all, binding{event: event, handler: s.Handler})
		}
	}
	return all
}

// bound reads what is bound (event.get). Offline bindings have no handler.
func (s *Subscriptions) bound(ctx context.Context, member string) ([]binding, error) {
	var rows []struct {
		Event   string `json:"event"`
		Handler string `json:"handler"`
		Offline any    `json:"offline"`
	}
	if err := s.Client.call(ctx, member, "event.get", nil, &rows); err != nil {
		return nil, explain(err)
	}
	all := make([]binding, 0, len(rows))
	for _, row := range rows {
		all = append(all, binding{strings.ToUpper(row.Event), row.Handler, fmt.Sprint(row.Offline) == "1"})
	}
	return all, nil
}

// bind binds an event; it is not an error if it is bound already.
func (s *Subscriptions) bind(ctx context.Context, member string, b binding) error {
	if !b.offline && b.handler == "" {
		return fmt.Errorf("%s cannot be bound: set BRIDGE_PUBLIC_URL, where the portal will post to, or BRIDGE_BITRIX24_OFFLINE", b.event)
	}
	err := s.Client.call(ctx, member, "event.bind", b.params(), nil)
	var refusal *apiError
	if errors.As(err, &refusal) && strings.Contains(refusal.Description, "already binded") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.event, explain(err))
	}
	return nil
}

func (s *Subscriptions) unbind(ctx context.Context, member string, b binding) error {
	if err := s.Client.call(ctx, member, "event.unbind", b.params(), nil); err != nil {
		return fmt.Errorf("%s: %w", b.event, explain(err))
	}
	return nil
}

// Disable unbinds what the bridge has bound in a portal, and binds nothing there until Enable.
func (s *Subscriptions) Disable(ctx context.Context, state ingest.State, member string) error {
	return s.change(ctx, state, member, func(kept *bindings) error {
		kept.Disabled = true
		have, err := s.bound(ctx, member)
		if err != nil {
			return err
		}
		for _, ours := range kept.all() {
			if slices.Contains(have, ours) && !slices.Contains(lifecycle, ours.event) {
				err = errors.Join(err, s.unbind(ctx, member, ours))
			}
			kept.remove(ours)
		}
		return err
	})
}

// Enable has the next Watch bind the events in a portal again.
func (s *Subscriptions) Enable(ctx context.Context, state ingest.State, member string) error {
	return s.change(ctx, state, member, func(kept *bindings) error {
		kept.Disabled = false
		return nil
	})
}

// Renew has the next Watch check a portal's bindings, which do not expire. It is an error where they are disabled.
func (s *Subscriptions) Renew(ctx context.Context, state ingest.State, member string) error {
	return s.change(ctx, state, member, func(kept *bindings) error {
		if kept.Disabled {
			return fmt.Errorf("portal %s is disabled; enable it first (crm-bridge channels enable bitrix24)", member)
		}
		return nil
	})
}

func (s *Subscriptions) change(ctx context.Context, state ingest.State, member string, f func(*bindings) error) error {
	if !slices.Contains(s.Portals, member) {
		return fmt.Errorf("BRIDGE_BITRIX24_PORTALS does not name the portal %q", member)
	}
	return remember(ctx, state.Shared, member, func(kept *bindings) error {
		kept.Asked = rand.Text()
		return f(kept)
	})
}

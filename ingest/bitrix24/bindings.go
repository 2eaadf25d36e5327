package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// bindings is what is remembered of a portal's bindings, in State.Shared.
type bindings struct {
	Disabled bool          `json:"disabled,omitempty"`
	Ours     []seenBinding `json:"ours"`
}

// seenBinding is a binding that the bridge has made or wanted, and when it was last surely there.
type seenBinding struct {
	Event   string    `json:"event"`
	Handler string    `json:"handler,omitempty"`
	Offline bool      `json:"offline,omitempty"`
	Seen    time.Time `json:"seen"`
}

func (s seenBinding) binding() binding { return binding{s.Event, s.Handler, s.Offline} }

func (m *bindings) find(b binding) (seen time.Time, ok bool) {
	for _, ours := range m.Ours {
		if ours.binding() == b {
			return ours.Seen, true
		}
	}
	return time.Time{}, false
}

func (m *bindings) put(b binding, seen time.Time) {
	m.remove(b)
	m.Ours = append(m.Ours, seenBinding{b.event, b.handler, b.offline, seen.UTC()})
}

func (m *bindings) remove(b binding) {
	m.Ours = slices.DeleteFunc(m.Ours, func(ours seenBinding) bool { return ours.binding() == b })
}

// all are the bindings in a fixed order.
func (m *bindings) all() []binding {
	all := make([]binding, 0, len(m.Ours))
	for _, ours := range m.Ours {
		all = append(all, ours.binding())
	}
	slices.SortFunc(all, compareBindings)
	return all
}

// remember loads what is remembered of a portal, has it changed, and stores it, also where the change failed half way. If
// somebody else was faster it is all done again.
func remember(ctx context.Context, store ingest.Store, member string, change func(*bindings) error) error {
	key := "bitrix24.bindings." + member
	for {
		raw, revision, err := store.Load(ctx, key)
		if err != nil {
			return err
		}
		var memory bindings
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &memory); err != nil {
				memory = bindings{} // made by another version; what is bound is found again
			}
		}
		failed := change(&memory)
		if raw, err = json.Marshal(memory); err != nil {
			return err
		}
		if _, err = store.Save(ctx, key, raw, revision); !errors.Is(err, ingest.ErrConflict) {
			return errors.Join(failed, err)
		}
	}
}

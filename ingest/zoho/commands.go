package zoho

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Enable makes sure that the channels of modules, or all where none is named, are alive, also those that were disabled.
func (c *Channels) Enable(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	return c.each(ctx, state, modules, func(m *coverages, w moduleEvents) error {
		kept := m.of(w.Module)
		if kept.Disabled {
			*kept = coverage{Gaps: kept.Gaps}
		}
		return c.maintain(ctx, m, w, listing{}, false)
	})
}

// errDisabled says what a disabled channel needs first.
var errDisabled = errors.New("disabled channels are not renewed: enable them first (crm-bridge channels enable zoho)")

// Renew sends everything about the channels of modules, or of all that are not disabled, again at once. A module that is named and
// whose channel is disabled is an error, and so is that all are.
func (c *Channels) Renew(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	renewed := 0
	list, err := c.each(ctx, state, modules, func(m *coverages, w moduleEvents) error {
		if m.of(w.Module).Disabled {
			if len(modules) > 0 {
				return errDisabled
			}
			return nil
		}
		renewed++
		return c.maintain(ctx, m, w, listing{}, true)
	})
	if err == nil && renewed == 0 && len(list) > 0 {
		err = errDisabled
	}
	return list, err
}

// Disable ends the channels of modules, or all, until they are enabled again; what happens meanwhile is no gap. It is
// remembered first, so that a channel whose end fails is tried again by Watch.
func (c *Channels) Disable(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	return c.each(ctx, state, modules, func(m *coverages, w moduleEvents) error {
		kept := m.of(w.Module)
		id := channelID(c.Secrets[0], c.Account, w.Module)
		kept.Disabled, kept.Lapsed, kept.Proven, kept.Granted, kept.Expires = true, false, time.Time{}, time.Time{}, time.Time{}
		if kept.Channel = id; !slices.Contains(kept.Retire, id) {
			kept.Retire = append(kept.Retire, id)
		}
		if err := m.save(ctx); err != nil {
			return err
		}
		err := c.retire(ctx, kept)
		return errors.Join(err, m.save(ctx))
	})
}

// each does something for the named modules, or all, and says how the channels are then.
func (c *Channels) each(ctx context.Context, state ingest.State, modules []string, do func(*coverages, moduleEvents) error) ([]ingest.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, module := range modules {
		if !slices.ContainsFunc(c.Events, func(w moduleEvents) bool { return w.Module == module }) {
			return nil, fmt.Errorf("no events of a module with the name %s are wanted: BRIDGE_ZOHO_EVENTS says which", module)
		}
	}
	m, err := loadCoverages(ctx, state.Shared, c.Account)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, w := range c.Events {
		if len(modules) > 0 && !slices.Contains(modules, w.Module) {
			continue
		}
		if err := do(m, w); err != nil {
			errs = append(errs, fmt.Errorf("channel of %s: %w", w.Module, err))
		}
		if errors.Is(errors.Join(errs...), errState) {
			break
		}
	}
	return c.channels(m), errors.Join(errs...)
}

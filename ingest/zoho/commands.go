package zoho

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Enable makes sure that the channels of modules, or all if none is named, are alive, including disabled ones.
func (c *Channels) Enable(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	return c.each(ctx, state, modules, func(m *coverages, w ingest.ModuleEvents) error {
		kept := m.of(w.Module)
		if kept.Disabled {
			*kept = coverage{Gaps: kept.Gaps}
		}
		return c.maintain(ctx, m, w, listing{}, false)
	})
}

var errDisabled = errors.New("disabled channels are not renewed; enable them first (crm-bridge channels enable zoho)")

// Renew renews the channels of modules, or all that are not disabled, at once. It is an error if a named module's channel is
// disabled, or if all are.
func (c *Channels) Renew(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	renewed := 0
	list, err := c.each(ctx, state, modules, func(m *coverages, w ingest.ModuleEvents) error {
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

// Disable ends the channels of modules, or all, until they are enabled again; the time until then is not a gap. It is remembered
// first, so that Watch retries a channel that could not be ended.
func (c *Channels) Disable(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	return c.each(ctx, state, modules, func(m *coverages, w ingest.ModuleEvents) error {
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

// each calls do for the named modules, or all, and returns all channels afterwards.
func (c *Channels) each(ctx context.Context, state ingest.State, modules []string, do func(*coverages, ingest.ModuleEvents) error) ([]ingest.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, module := range modules {
		if !slices.ContainsFunc(c.Events, func(w ingest.ModuleEvents) bool { return w.Module == module }) {
			return nil, fmt.Errorf("BRIDGE_ZOHO_EVENTS names no events of the module %s", module)
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

package zoho

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// tidy disables channels of ours that are not wanted any more: of other modules, or with ids of an older secret. It
// leaves those of others alone.
func (c *Channels) tidy(ctx context.Context, m *memory, listed listing) error {
	for _, row := range listed.rows {
		if c.own(row) && c.outdated(row, m.of(row.Module)) && !slices.Contains(m.of(row.Module).Retire, row.ID) {
			m.of(row.Module).Retire = append(m.of(row.Module).Retire, row.ID)
		}
	}
	var errs []error
	for module, kept := range m.Modules {
		wanted := slices.ContainsFunc(c.Events, func(w Wanted) bool { return w.Module == module })
		if !wanted && kept.Channel != "" && !slices.Contains(kept.Retire, kept.Channel) {
			kept.Retire = append(kept.Retire, kept.Channel)
		}
		changed := len(kept.Retire) > 0
		if err := c.retire(ctx, kept); err != nil {
			errs = append(errs, fmt.Errorf("channel of %s: %w", module, err))
		}
		switch now := c.Client.Now(); {
		case wanted || len(kept.Retire) > 0:
		case kept.Dropped.IsZero():
			kept.drop(now)
			changed = true
		case now.Sub(kept.Dropped) > dropLasting:
			delete(m.Modules, module)
			changed = true
		}
		if changed {
			if err := m.save(ctx); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
	}
	return errors.Join(errs...)
}

// own reports whether a channel is the bridge's, by its id.
func (c *Channels) own(row listedChannel) bool {
	return slices.ContainsFunc(c.Secrets, func(secret string) bool { return row.ID == ChannelID(secret, c.Account, row.Module) })
}

// outdated reports whether a channel of the bridge's is not the one that it keeps alive for the module.
func (c *Channels) outdated(row listedChannel, kept *coverage) bool {
	wanted := slices.ContainsFunc(c.Events, func(w Wanted) bool { return w.Module == row.Module })
	return !wanted || kept.Disabled || kept.Channel != row.ID && kept.Expires.After(c.Client.Now())
}

func (c *Channels) retire(ctx context.Context, kept *coverage) error {
	for len(kept.Retire) > 0 {
		if err := c.Client.unsubscribe(ctx, kept.Retire[0]); err != nil {
			return err
		}
		c.log().InfoContext(ctx, "zoho: channel disabled", "channel", kept.Retire[0])
		kept.Retire = kept.Retire[1:]
	}
	return nil
}

// Status says how the channels are, as far as is remembered; it asks Zoho nothing.
func (c *Channels) Status(ctx context.Context, state ingest.State) ([]ingest.Channel, error) {
	m, err := loadMemory(ctx, state.Shared, c.Account)
	if err != nil {
		return nil, err
	}
	return c.channels(m), nil
}

// Enable makes sure that the channels of modules, or all where none is named, are alive, also those that were disabled.
func (c *Channels) Enable(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	return c.each(ctx, state, modules, func(m *memory, w Wanted) error {
		kept := m.of(w.Module)
		if kept.Disabled {
			*kept = coverage{Gaps: kept.Gaps}
		}
		return c.keep(ctx, m, w, listing{}, false)
	})
}

// errDisabled says what a disabled channel needs first.
var errDisabled = errors.New("disabled channels are not renewed: enable them first (crm-bridge channels enable zoho)")

// Renew sends everything about the channels of modules, or of all that are not disabled, again at once. A module that is named and
// whose channel is disabled is an error, and so is that all are.
func (c *Channels) Renew(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	renewed := 0
	list, err := c.each(ctx, state, modules, func(m *memory, w Wanted) error {
		if m.of(w.Module).Disabled {
			if len(modules) > 0 {
				return errDisabled
			}
			return nil
		}
		renewed++
		return c.keep(ctx, m, w, listing{}, true)
	})
	if err == nil && renewed == 0 && len(list) > 0 {
		err = errDisabled
	}
	return list, err
}

// Disable ends the channels of modules, or all, until they are enabled again; what happens meanwhile is no gap. It is
// remembered first, so that a channel whose end fails is tried again by Watch.
func (c *Channels) Disable(ctx context.Context, state ingest.State, modules ...string) ([]ingest.Channel, error) {
	return c.each(ctx, state, modules, func(m *memory, w Wanted) error {
		kept := m.of(w.Module)
		id := ChannelID(c.Secrets[0], c.Account, w.Module)
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
func (c *Channels) each(ctx context.Context, state ingest.State, modules []string, do func(*memory, Wanted) error) ([]ingest.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, module := range modules {
		if !slices.ContainsFunc(c.Events, func(w Wanted) bool { return w.Module == module }) {
			return nil, fmt.Errorf("no events of a module with the name %s are wanted: BRIDGE_ZOHO_EVENTS says which", module)
		}
	}
	m, err := loadMemory(ctx, state.Shared, c.Account)
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

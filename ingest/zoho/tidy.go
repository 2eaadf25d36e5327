package zoho

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// tidy disables channels of ours that are no longer configured: of other modules, or with ids of an older secret. It leaves those
// of others alone.
func (c *Channels) tidy(ctx context.Context, m *coverages, listed listing) error {
	for _, row := range listed.rows {
		if c.own(row) && c.outdated(row, m.of(row.Module)) && !slices.Contains(m.of(row.Module).Retire, row.ID) {
			m.of(row.Module).Retire = append(m.of(row.Module).Retire, row.ID)
		}
	}
	var errs []error
	for module, kept := range m.Modules {
		wanted := slices.ContainsFunc(c.Events, func(w ingest.ModuleEvents) bool { return w.Module == module })
		if !wanted && kept.Channel != "" && !slices.Contains(kept.Retire, kept.Channel) {
			kept.Retire = append(kept.Retire, kept.Channel)
		}
		changed := len(kept.Retire) > 0
		if err := c.retire(ctx, kept); err != nil {
			errs = append(errs, fmt.Errorf("channel of %s: %w", module, err))
		}
		switch now := c.Client.now(); {
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
	return slices.ContainsFunc(c.Secrets, func(secret string) bool { return row.ID == channelID(secret, c.Account, row.Module) })
}

// outdated reports whether a channel of the bridge is another one than the module's current channel.
func (c *Channels) outdated(row listedChannel, kept *coverage) bool {
	wanted := slices.ContainsFunc(c.Events, func(w ingest.ModuleEvents) bool { return w.Module == row.Module })
	return !wanted || kept.Disabled || kept.Channel != row.ID && kept.Expires.After(c.Client.now())
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

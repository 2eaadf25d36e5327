package pipedrive

import (
	"context"
	"errors"
	"fmt"

	"github.com/crm-bridge/crm-bridge/ingest"
)

var errDisabled = errors.New("disabled webhooks are not renewed; enable them first (crm-bridge channels enable pipedrive)")

// Changes are those of ingest.CRM: of the webhooks of a module, or of all. enable makes webhooks, including disabled ones; renew replaces
// them; disable deletes them until they are enabled again, and the time until then is not a gap.
func (s *Subscriber) Changes(state ingest.State) map[string]func(ctx context.Context, module string) ([]ingest.Channel, error) {
	all := map[string]func(ctx context.Context, module string) ([]ingest.Channel, error){}
	for word, change := range map[string]func(*delivery) error{
		"enable":  func(d *delivery) error { d.Disabled = false; return nil },
		"disable": func(d *delivery) error { *d = delivery{Disabled: true}; return nil },
		"renew": func(d *delivery) error {
			if d.Renew = true; d.Disabled {
				return errDisabled
			}
			return nil
		},
	} {
		all[word] = func(ctx context.Context, module string) ([]ingest.Channel, error) {
			return s.locked(ctx, state, func(d *deliveries) error { return s.each(d, module, change) }, nil)
		}
	}
	return all
}

// each changes what is remembered of the subscriptions of a module, or of all.
func (s *Subscriber) each(d *deliveries, module string, change func(*delivery) error) error {
	found := false
	for _, wanted := range s.Events.subscriptions() {
		if module != "" && module != wanted.object {
			continue
		}
		found = true
		if err := change(d.of(wanted)); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("BRIDGE_PIPEDRIVE_EVENTS names no events of the module %s by itself", module)
	}
	return nil
}

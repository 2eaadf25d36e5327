package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish/records"
)

// NoRecord says why a record has no state.
func NoRecord(ctx context.Context, states *records.States, key records.Key) error {
	modules, err := states.Modules(ctx, key.Provider)
	variable := "BRIDGE_" + strings.ToUpper(key.Provider) + "_RECORDS"
	switch {
	case err != nil:
		return err
	case len(modules) == 0:
		return fmt.Errorf("no records of %s are kept: set %s of the bridge to the modules to keep, such as %s", key.Provider, variable, Known().CRM(key.Provider).Words.Module)
	case !slices.Contains(modules, key.Module):
		return fmt.Errorf("records of %s are not kept: %s of the bridge names %s", key.Module, variable, Enumerate(modules, "and"))
	}
	return fmt.Errorf("%s has no record %s of %s: it appears with its next change, or after crm-bridge backfill %s --module %s", states.Table, key.ID, key.Module, key.Provider, key.Module)
}

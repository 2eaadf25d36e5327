package bridge

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// Every schema is that of a source, or of the records of a CRM, and the other way round.
func TestEverySchemaHasItsCRM(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	families := Known().Labels()
	for _, crm := range Known().Callable() {
		families = append(families, crm.RecordsLabel())
	}
	slices.Sort(families)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(set)), families); diff != "" {
		t.Error(diff)
	}
}

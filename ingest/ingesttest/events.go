package ingesttest

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// mapping makes events of a CRM's changes as the bridge does.
func mapping(t *testing.T, crm *ingest.CRM) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(crm.Secrets())}
}

// encoded returns a change's events as they would be published, in either mode.
func encoded(m *transform.Mapping, change ingest.Change) ([][]byte, error) {
	var all [][]byte
	for _, perRecord := range []bool{false, true} {
		mode := *m
		mode.PerRecord = perRecord
		events, err := mode.Events(change)
		if err != nil {
			return nil, err
		}
		for i := range events {
			all = append(all, events[i].AppendJSON(nil))
		}
	}
	return all, nil
}

package bridge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// reader is the Reader of a CRM that has none configured.
type reader struct{ ingest.Reader }

// What is read of a record can be kept, whichever CRM it is of, whatever the schema of its listed records requires. What must never be stored
// is masked, and what nests too deep is refused.
func TestRecordsOfEveryCRMCanBeKept(t *testing.T) {
	for _, known := range Known().Callable() {
		t.Run(known.Provider, func(t *testing.T) {
			crm := *known
			crm.Reader, crm.Accounts, crm.KeptModules = reader{}, []string{"one"}, []string{crm.Words.Module}
			crm.Records.Values = []string{"a-configured-secret"}
			mapping, err := NewMapping(config.Settings{}, nil, CRMs{&crm})
			if err != nil {
				t.Fatal(err)
			}
			of := newRecordsOf(CRMs{&crm}, mapping)
			got, err := of.clean("one", crm.Words.Module, json.RawMessage(`{"id":7,"Name":"A deal","note":"a-configured-secret"}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(`{"id":7,"Name":"A deal","note":"***"}`, string(got)); diff != "" {
				t.Error(diff)
			}
			if _, err := of.clean("one", crm.Words.Module, json.RawMessage(`{"a":`+strings.Repeat("[", 110)+strings.Repeat("]", 110)+`}`)); err == nil {
				t.Error("a record that nests 110 levels is kept")
			}
		})
	}
}

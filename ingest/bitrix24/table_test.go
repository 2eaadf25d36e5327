package bitrix24_test

import (
	"os"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

func decodeName(t *testing.T, s ingest.Source, name string) ingest.Change {
	t.Helper()
	changes, err := s.Decode(eventCallback([]byte("event=" + name + "&data[FIELDS][ID]=1" + proven)))
	if err != nil || len(changes) != 1 {
		t.Fatalf("%s: %d changes, %v", name, len(changes), err)
	}
	return changes[0]
}

// Every event of Bitrix24's documents has the module and the operation that the table gives, in any letter case; and its
// sample is that event again.
func TestTable(t *testing.T) {
	s := open(t, openEvents)
	text, err := os.ReadFile("events.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
	if len(lines) != 120 {
		t.Errorf("the table holds %d events", len(lines))
	}
	words := map[string]string{"add": "create", "update": "edit"}
	for _, line := range lines {
		columns := strings.Split(line, "\t")
		name, module, operation := columns[0], columns[1], columns[2]
		if module == "App" && strings.HasSuffix(operation, "install") {
			continue
		}
		if word, ok := words[operation]; ok {
			operation = word
		}
		for _, spelled := range []string{name, strings.ToLower(name)} {
			change := decodeName(t, s, spelled)
			if change.Module != module || change.Operation != operation || change.NativeOperation != spelled {
				t.Errorf("%s is %s %s, decoded as %s %s (%s)", spelled, module, operation, change.Module, change.Operation, change.NativeOperation)
			}
		}
		cb, err := s.(ingest.Sampler).Sample(ingest.Change{Module: module, Operation: operation, IDs: []string{"1"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		changes, err := s.Decode(cb)
		if err != nil || len(changes) != 1 || changes[0].Module != module || changes[0].Operation != operation {
			t.Errorf("the sample of %s %s decodes to %+v, %v", module, operation, changes, err)
		}
	}
}

// Names are written out here, so that a slip in the table shows.
func TestEventNames(t *testing.T) {
	s := open(t, openEvents)
	for name, want := range map[string]string{
		"onCrmActivityUpdate":                      "Activity edit",
		"ONCRMDEALMOVETOCATEGORY":                  "Deal moveToCategory",
		"ONCRMDEALUSERFIELDSETENUMVALUES":          "DealUserField setEnumValues",
		"ONCRMINVOICESETSTATUS":                    "Invoice setStatus",
		"ONCRMINVOICERECURRINGEXPOSE":              "InvoiceRecurring expose",
		"ONCRMTIMELINEITEMACTION":                  "TimelineItem action",
		"ONCRMDOCUMENTGENERATORDOCUMENTADD":        "DocumentGeneratorDocument create",
		"ONCRMADDRESSUNREGISTER":                   "Address unregister",
		"ONCRMDYNAMICITEMDELETE":                   "DynamicItem delete",
		"ONCRMDYNAMICITEMDELETE_147":               "DynamicItem delete",
		"ONCRMTYPEUSERFIELDUPDATE":                 "TypeUserField edit",
		"CATALOG.PRICE.TYPE.ON.ADD":                "PriceType create",
		"catalog.product.on.update":                "Product edit",
		"ONOFFLINEEVENT":                           "OfflineQueue signal",
		"ONAPPUPDATE":                              "App edit",
		"ONAPPPAYMENT":                             "App payment",
		"ONCRMFOOBARADD":                           "Foobar create",
		"onCrmFooBarUpdate":                        "Foobar edit",
		"ONCRMFOOBARDELETE_12":                     "Foobar delete",
		"ONCRMFOOBARADDDELETE":                     "Foobaradd delete",
		"ONCRMADD":                                 "Unknown oncrmadd",
		"ONCRMFOOBARMOVE":                          "Unknown oncrmfoobarmove",
		"ONCRMFOOBARMOVE_12":                       "Unknown oncrmfoobarmove12",
		"ONCRM.FOO.ADD":                            "Unknown oncrmfooadd",
		"ONIMBOTMESSAGEADD":                        "Unknown onimbotmessageadd",
		"onTaskAdd":                                "Unknown ontaskadd",
		"SALE.ORDER.ON.SAVED":                      "Unknown saleorderonsaved",
		"ONAPPINSTALL_1":                           "Unknown onappinstall1",
		"ON-" + strings.Repeat("x", 62):            "Unknown on" + strings.Repeat("x", 62),
		"ONCRM" + strings.Repeat("X", 100) + "ADD": "X" + strings.Repeat("x", 99) + " create",
	} {
		if change := decodeName(t, s, name); change.Module+" "+change.Operation != want || change.NativeOperation != name {
			t.Errorf("%s became %s %s (%s)", name, change.Module, change.Operation, change.NativeOperation)
		}
	}
}

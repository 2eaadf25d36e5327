package bitrix24_test

import (
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
)

// Events are wanted by their names or as Module.operation, in any letter case; what is neither is refused with a sentence
// that does not quote it.
func TestWantedEvents(t *testing.T) {
	for text, want := range map[string]string{
		"Deal.edit":                           "ONCRMDEALUPDATE",
		"deal.UPDATE, ONCRMDEALUPDATE":        "ONCRMDEALUPDATE",
		"onCrmLeadAdd,Contact.create":         "ONCRMCONTACTADD ONCRMLEADADD",
		"Deal.all":                            "ONCRMDEALADD ONCRMDEALDELETE ONCRMDEALMOVETOCATEGORY ONCRMDEALUPDATE",
		"Deal.moveToCategory":                 "ONCRMDEALMOVETOCATEGORY",
		"DynamicItem.all":                     "ONCRMDYNAMICITEMADD ONCRMDYNAMICITEMDELETE ONCRMDYNAMICITEMUPDATE",
		"ONCRMDYNAMICITEMUPDATE_1032":         "ONCRMDYNAMICITEMUPDATE_1032",
		"Product.all":                         "ONCRMPRODUCTADD ONCRMPRODUCTDELETE ONCRMPRODUCTUPDATE",
		"Price.all,catalog.rounding.on.add":   "CATALOG.PRICE.ON.ADD CATALOG.PRICE.ON.DELETE CATALOG.PRICE.ON.UPDATE CATALOG.ROUNDING.ON.ADD",
		"ONCRMGADGETADD":                      "ONCRMGADGETADD",
		"TimelineComment.create,Currency.all": "ONCRMCURRENCYADD ONCRMCURRENCYDELETE ONCRMCURRENCYUPDATE ONCRMTIMELINECOMMENTADD",
	} {
		var got bitrix24.Wanted
		if err := got.Decode(text); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ",", "Deal", "Deals.all", "Deal.approve", "Deal.all,s3cret", "ONAPPINSTALL", "App.all", "OfflineQueue.all", "ONOFFLINEEVENT", "a.b.c", "ONIMBOTMESSAGEADD", "*.all"} {
		var got bitrix24.Wanted
		if err := got.Decode(text); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

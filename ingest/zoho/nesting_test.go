package zoho_test

import (
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

// A notification or a webhook that nests too deep is authenticated and malformed, whatever its Content-Type says.
func TestNesting(t *testing.T) {
	n := source()
	sample := strings.TrimSuffix(strings.TrimSpace(string(read(t, "notification-v7-update-values.json"))), "}")
	ingesttest.Nesting(t, n, func(value string) ingest.Callback {
		return callback([]byte(sample+`,"x":`+value+`}`), "")
	}, encoder(mapping(t, n)))

	w := webhooks()
	for _, contentType := range []string{"", "application/json", "text/plain", form} {
		for query, secret := range map[string]string{"secret=" + webhookSecret: "", "": `"secret":"` + webhookSecret + `",`} {
			ingesttest.Nesting(t, w, func(value string) ingest.Callback {
				return webhook("POST", contentType, query, `{`+secret+`"id":"1","x":`+value+`}`)
			}, encoder(webhookMapping(t, w)))
		}
	}
}

// XML of any nesting makes an event: what would nest too deep as JSON stays a string.
func TestNestedXML(t *testing.T) {
	w := webhooks()
	converted := 0
	for levels := 40; levels < 60; levels++ {
		text := `<r>` + strings.Repeat(`<a/><a k="1">`, levels) + "x" + strings.Repeat(`</a>`, levels) + `</r>`
		changes, err := w.Decode(webhook("POST", "text/xml", "id=1", text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := encoder(webhookMapping(t, w))(changes[0]); err != nil {
			t.Errorf("%d levels: %v", levels, err)
		}
		if changes[0].NativeXML != nil {
			converted = levels
		}
	}
	if converted < 45 || converted > 50 {
		t.Errorf("XML is converted up to %d levels", converted)
	}
}

package asyncapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// bridge is one that was configured and has published.
func bridge(binary bool) asyncapi.Facts {
	return asyncapi.Facts{
		Version: "1.2.3", Stream: "CRM", Prefix: "crm", Binary: binary,
		Servers: []asyncapi.Server{
			{Host: "nats.example.com:4222", Protocol: "nats", TLS: true, Description: "The NATS that the bridge brings its events to."},
			{Host: "{host}:4222", DefaultHost: "crm.example.com", Protocol: "nats", Password: true, Description: "The bridge's own NATS server."},
		},
		Subjects: []string{"crm.zoho.Deals.won", "crm.zoho.Deals.edit", "crm.zoho.Deals.edit", "crm.bitrix24.DynamicItem.edit"},
		Records:  []string{"zoho.Deals", "zoho.Contacts", "bitrix24.Deal", "zoho.Deals"},
	}
}

func written(t *testing.T, b asyncapi.Facts) (text []byte, parsed map[string]any) {
	t.Helper()
	d, err := asyncapi.New(b)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = d.YAML(); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	return text, parsed
}

// at follows a path of names; nil where it leads nowhere.
func at(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// The documents and the pages of both modes are those of the golden files, to the byte, each time.
func TestGolden(t *testing.T) {
	for name, binary := range map[string]bool{"structured": false, "binary": true} {
		text, _ := written(t, bridge(binary))
		d, err := asyncapi.New(bridge(binary))
		if err != nil {
			t.Fatal(err)
		}
		page, _, err := d.Page()
		if err != nil {
			t.Fatal(err)
		}
		for path, got := range map[string][]byte{name + ".yaml": text, name + ".html": page} {
			path = filepath.Join("testdata", path)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-update rewrites it): %s", path, diff)
			}
		}
	}
}

// Every reference leads to something in the document.
func TestReferences(t *testing.T) {
	for _, binary := range []bool{false, true} {
		_, document := written(t, bridge(binary))
		references := 0
		var walk func(value any)
		walk = func(value any) {
			switch v := value.(type) {
			case map[string]any:
				if to, ok := v["$ref"].(string); ok {
					references++
					if path, local := strings.CutPrefix(to, "#/"); !local || at(document, strings.Split(path, "/")...) == nil {
						t.Errorf("%s leads nowhere", to)
					}
				}
				for _, inner := range v {
					walk(inner)
				}
			case []any:
				for _, inner := range v {
					walk(inner)
				}
			}
		}
		walk(document)
		if references < 50 {
			t.Errorf("only %d references", references)
		}
	}
}

// The schemas in the document are those that events are checked against, but for the dialect.
func TestSchemasAreTheSame(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	_, document := written(t, bridge(false))
	want := map[string][]byte{"event": schemas.Envelope(), "record-event": schemas.RecordEnvelope()}
	for family := range set {
		_, want[family], _ = set.Document(schemas.Path(family))
	}
	for name, raw := range want {
		var schema map[string]any
		if err := yaml.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		delete(schema, "$schema")
		if diff := cmp.Diff(schema, at(document, "components", "schemas", name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if n := len(at(document, "components", "schemas").(map[string]any)); n != len(want) {
		t.Errorf("%d schemas, not %d", n, len(want))
	}
}

// A message's example is valid against its payload and its headers, and against those of no other family: whoever reads a
// channel can tell its messages apart.
func TestExamplesFitTheirMessages(t *testing.T) {
	for _, binary := range []bool{false, true} {
		_, document := written(t, bridge(binary))
		messages := at(document, "components", "messages").(map[string]any)
		compiler := compilerOf(t, document)
		for family := range messages {
			payloads, headers := compile(t, compiler, family, "payload"), compile(t, compiler, family, "headers")
			for other, message := range messages {
				example := at(message, "examples").([]any)[0]
				payload, header := payloads.Validate(asJSON(t, at(example, "payload"))), headers.Validate(asJSON(t, at(example, "headers")))
				if fits := payload == nil && header == nil; fits != (family == other) {
					t.Errorf("binary %t: an event of %s fits a message of %s: %t: %v, %v", binary, other, family, fits, payload, header)
				}
			}
		}
	}
}

// compilerOf knows the document. An $id in it would be the root of what refers to the document, so there is none.
func compilerOf(t *testing.T, document any) *jsonschema.Compiler {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.ReplaceAll(text, []byte(`"$id"`), []byte(`"id"`))))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("doc.json", resource); err != nil {
		t.Fatal(err)
	}
	return compiler
}

// compile compiles a part of a message.
func compile(t *testing.T, compiler *jsonschema.Compiler, family, part string) *jsonschema.Schema {
	t.Helper()
	schema, err := compiler.Compile("doc.json#/components/messages/" + family + "/" + part)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func asJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

// What was configured or seen has a channel, with the families that may come on it; what is no subject of events has none.
func TestChannels(t *testing.T) {
	b := bridge(false)
	b.Prefix, b.Stream = "sales", "SALES"
	b.Subjects = []string{
		"sales.zoho.Deals.edit", "sales.zoho.Deals.won", "sales.bitrix24.Deal.delete", "crm.zoho.Leads.edit", "sales.zoho.Leads", "sales.zoho.Leads.edit.more",
		"sales.acme.Deals.edit", "sales.zoho.De als.edit", "sales.zoho.Deals.Edit", "sales.zoho.{module}.edit", "sales.zoho.<b>.edit", "",
	}
	_, document := written(t, b)
	got := map[string]string{}
	for name, channel := range at(document, "channels").(map[string]any) {
		var families []string
		for family := range at(channel, "messages").(map[string]any) {
			families = append(families, family)
		}
		slices.Sort(families)
		got[name] = fmt.Sprint(at(channel, "address"), " ", at(channel, "x-jetstream", "stream"), " ", strings.Join(families, " "))
		if at(document, "operations", "send."+name, "action") != "send" || at(document, "operations", "send."+name, "bindings", "nats", "bindingVersion") != "0.1.0" {
			t.Errorf("%s is not sent on", name)
		}
	}
	want := map[string]string{
		"zoho.Deals.edit":      "sales.zoho.Deals.edit SALES zoho-notifications zoho-records zoho-webhooks",
		"zoho.Deals.won":       "sales.zoho.Deals.won SALES zoho-notifications zoho-webhooks",
		"bitrix24.Deal.delete": "sales.bitrix24.Deal.delete SALES bitrix24-events bitrix24-workflows",
		"records":              "sales-records.{provider}.{account}.{module}.{id} SALES_RECORDS record",
	}
	for provider, families := range providers(t) {
		want[provider] = "sales." + provider + ".{module}.{operation} SALES " + families
		want[provider+".replay"] = "sales-replay.{job}." + provider + ".{module}.{operation} SALES_REPLAY " + families
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// providers returns the families of each CRM, sorted and joined.
func providers(t *testing.T) map[string]string {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, family := range set.Changes() {
		provider, _, _ := strings.Cut(family, "-")
		all[provider] = strings.TrimSpace(all[provider] + " " + family)
	}
	return all
}

// However many subjects there are, the document has a bound, and says what it leaves out.
func TestChannelsAreBounded(t *testing.T) {
	b := bridge(false)
	b.Subjects = nil
	for i := range asyncapi.MaxChannels + 7 {
		b.Subjects = append(b.Subjects, fmt.Sprintf("crm.zoho.Module%d.edit", i))
	}
	_, document := written(t, b)
	if n := len(at(document, "channels").(map[string]any)); n != asyncapi.MaxChannels+2*len(providers(t))+1 {
		t.Errorf("%d channels", n)
	}
	if text := fmt.Sprint(at(document, "info", "description")); !strings.Contains(text, "7 more subjects") {
		t.Error(text)
	}
}

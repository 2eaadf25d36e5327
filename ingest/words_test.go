package ingest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// The operations of all CRMs are translated to one vocabulary.
func TestOperation(t *testing.T) {
	for native, want := range map[string]string{
		"insert": "create", "INSERT": "create", "add": "create", "Create": "create", "update": "edit", "EDIT": "edit",
		"Delete": "delete", "restore": "restore", "RESTORE": "restore", "Convert": "convert", "moveToCategory": "moveToCategory",
	} {
		if got, err := ingest.Operation(native); err != nil || got != want {
			t.Errorf("%s became %s, %v", native, got, err)
		}
	}
	for _, native := range []string{"", "1st", "a.b", "a b", "*", ">", "a_b", strings.Repeat("a", 65), "é"} {
		if got, err := ingest.Operation(native); !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%q became %s, %v", native, got, err)
		}
	}
}

// Repeated ids are alternatives, the first colon splits, and errors never quote a token.
func TestTokens(t *testing.T) {
	var tokens ingest.Tokens
	if err := tokens.Decode(" 1:a:b , 1:c,*:d,\n2:e,"); err != nil {
		t.Fatal(err)
	}
	if got := tokens.For("1"); !slices.Equal(got, []string{"a:b", "c"}) {
		t.Errorf("tokens of 1: %v", got)
	}
	if got := tokens.For("3"); !slices.Equal(got, []string{"d"}) {
		t.Errorf("tokens of 3: %v", got)
	}
	for _, value := range []string{"hunter2hunter2", "1:a,hunter2hunter2", ":hunter2hunter2", "hunter2hunter2:", ",", "1: ,x:hunter2hunter2"} {
		err := tokens.Decode(value)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// An empty token never matches.
func TestMatchesAny(t *testing.T) {
	if ingest.MatchesAny("", []string{""}) || ingest.MatchesAny("a", nil) || ingest.MatchesAny("a", []string{"b"}) {
		t.Error("matched")
	}
	if long := strings.Repeat("a", 8<<10); !ingest.MatchesAny(long, []string{long}) || ingest.MatchesAny(long+"a", []string{long + "a"}) {
		t.Error("the longest secret is 8 KiB")
	}
	if !ingest.MatchesAny("a", []string{"b", "a", "c"}) {
		t.Error("did not match")
	}
}

// A merge field that was not replaced and a null value are not record ids.
func TestCheckRecordID(t *testing.T) {
	for _, id := range []string{"1", "CHE", "12345678901234567890", "DEAL-0001", "a@b.c", "100%", "#7", "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "{3f2504e04f8911d39a0c0305e82c3301}", "C3:NEW", "商机", "nullable", "%25", "&amp;", "50%25", "_a-", "$500"} {
		if err := ingest.CheckRecordID(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{
		"", " ", "1 2", "${Leads.Id}", "${!Leads.Id}", "{=Document:ID}", "{{ID}}", "{ID}", "%ID%", "#ID#", "[ID]", "[[ID]]", "<id>", "<%=id%>", "DEAL_${Deals.Id}", "%24%7BLeads.Id%7D", "$%7BLeads.Id%7D", "null", "NULL", "undefined", "None", "NaN",
		"nil", "(null)", "N/A", "$Leads.Id", "$(id)", "((id))", "|id|", "*id*", "~id~", "&#36;&#123;Leads.Id&#125;", "&lcub;ID&rcub;", "%2524%257BLeads.Id%257D", "%26%23x7B;ID%7D",
		"a\u200bb", "a\u2003b", "a\ufeff",
	} {
		if ingest.CheckRecordID(id) == nil {
			t.Errorf("%q is accepted as an id", id)
		}
	}
}

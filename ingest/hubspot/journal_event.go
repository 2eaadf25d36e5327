package hubspot

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// decodeJournal converts an event of the journal. ErrIgnored: its portal is not one of those that are accepted.
func decodeJournal(raw rawJSON, portals ingest.AccountIDs) (change ingest.Change, err error) {
	m, err := readMembers(nil, raw)
	if err != nil {
		return change, err
	}
	change = ingest.Change{
		Source: WebhooksLabel, Provider: Provider, Origin: ingest.Live, Account: m.id("portalId"), OccurredAt: m.moment("occurredAt"),
		ReceivedAt: time.Now().UTC(), NativeOperation: m.text("action"), NativeBody: raw, IDs: []string{},
	}
	if !portalID.MatchString(change.Account) {
		return change, fmt.Errorf("%w: portalId is missing or not a number", ingest.ErrMalformed)
	}
	if !portals.Accepts(change.Account) {
		return change, ingest.ErrIgnored
	}
	kind := m.text("type") // crmObject, association, …
	if change.NativeOperation == "" {
		change.NativeOperation = kind
	}
	operation := camel(change.NativeOperation)
	if strings.HasPrefix(strings.ToLower(kind), "association") {
		operation = "associationChange"
	}
	if change.Operation, err = ingest.Operation(operation); err != nil {
		return change, err
	}
	typeID := m.text("objectTypeId")
	if typeID == "" {
		typeID = m.text("fromObjectTypeId")
	}
	of, _ := objectOf(cmp.Or(typeID, kind))
	change.Module, change.Collection = of.module, of.collection()
	if err := ingest.CheckModule(of.module); err != nil {
		return change, err
	}
	id := m.first("objectId", "fromObjectId")
	if id == "" && typeID == "" { // an event of the app itself
		return change, nil
	}
	change.IDs = []string{id}
	m.properties(&change, id)
	return change, ingest.CheckRecordID(id)
}

// properties adds the properties of a record that have changed.
func (m members) properties(change *ingest.Change, id string) {
	changed := body.Members(nil).Append(m.Of("propertyChanges"))
	names := make([]string, len(changed))
	for i, one := range changed {
		names[i] = string(one.Name)
	}
	if len(changed) > 0 {
		change.Fields = map[string][]string{id: names}
		change.Values = valuesOf(id, changed, false)
	}
}

// camel writes a word of capitals and underscores in camelCase; others stay.
func camel(word string) string {
	if word != strings.ToUpper(word) {
		return word
	}
	parts := strings.Split(strings.ToLower(word), "_")
	for i, part := range parts[1:] {
		if part != "" {
			parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

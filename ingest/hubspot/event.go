package hubspot

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

type rawJSON = json.RawMessage

// members are those of an event.
type members struct{ body.Members }

// fewMembers is how many members nearly every event has at most.
const fewMembers = 20

// readMembers reads an event into room.
func readMembers(room body.Members, raw rawJSON) (members, error) {
	if err := jsontext.Check(raw); err != nil {
		return members{}, fmt.Errorf("%w: the event is %w", ingest.ErrMalformed, err)
	}
	if len(raw) == 0 || raw[0] != '{' {
		return members{}, fmt.Errorf("%w: the event is not an object", ingest.ErrMalformed)
	}
	return members{room.Append(raw)}, nil
}

// text returns a string; empty where there is none.
func (m members) text(name string) string {
	text, _ := jsontext.StringOf(m.Of(name))
	return text
}

// id returns a whole number with every digit, or a string, as ids may be written; empty where there is neither.
func (m members) id(name string) string {
	raw := m.Of(name)
	if text, ok := body.TextOrInteger(raw); ok && (raw[0] != '-') {
		return text
	}
	plain, ok := body.Decimal(raw)
	if !ok || strings.ContainsAny(plain, "-.") {
		return ""
	}
	return plain
}

// first returns the first id of these names that is there.
func (m members) first(names ...string) string {
	for _, name := range names {
		if id := m.id(name); id != "" {
			return id
		}
	}
	return ""
}

// moment returns a time: milliseconds since 1970, or RFC 3339; zero where there is none.
func (m members) moment(name string) time.Time {
	raw := m.Of(name)
	if body.IsInteger(raw) {
		return body.SinceEpoch(string(raw), time.Millisecond)
	}
	if plain, ok := body.Decimal(raw); ok {
		return body.SinceEpoch(plain, time.Millisecond)
	}
	return parseTime(m.text(name))
}

// parseTime parses a time of the API; zero where it is none.
func parseTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return time.Time{}
	}
	return at.UTC()
}

// words translates HubSpot's operations; the others are kept.
var words = map[string]string{"creation": "create", "propertyChange": "edit", "deletion": "delete"}

// decode converts an event of a callback. ErrIgnored: its portal is not one of those that are accepted.
func decode(raw rawJSON, portals ingest.AccountIDs) (change ingest.Change, err error) {
	var room [fewMembers]body.Member
	m, err := readMembers(room[:0], raw)
	if err != nil {
		return change, err
	}
	change = ingest.Change{
		Source: WebhooksLabel, Provider: Provider, Origin: ingest.Live, Account: m.id("portalId"), Channel: m.id("subscriptionId"),
		OccurredAt: m.moment("occurredAt"), NativeOperation: m.text("subscriptionType"), NativeBody: raw,
	}
	if !portalID.MatchString(change.Account) {
		return change, fmt.Errorf("%w: portalId is missing or not a number", ingest.ErrMalformed)
	}
	if err := portals.Check(change.Account, "BRIDGE_HUBSPOT_PORTALS"); err != nil {
		return change, err
	}
	kind, operation, _ := strings.Cut(change.NativeOperation, ".")
	if word, ok := words[operation]; ok {
		operation = word
	}
	if change.Operation, err = ingest.Operation(operation); err != nil {
		return change, fmt.Errorf("%w: subscriptionType is missing or not of the form object.operation", ingest.ErrMalformed)
	}
	if kind == "object" {
		if kind = m.text("objectTypeId"); kind == "" {
			kind = m.text("fromObjectTypeId")
		}
		if kind == "" {
			return change, fmt.Errorf("%w: objectTypeId is missing or not a string", ingest.ErrMalformed)
		}
	}
	return change, m.complete(&change, kind)
}

// complete adds what is about the record of an event, whose module is of a kind: a name or an objectTypeId.
func (m members) complete(change *ingest.Change, kind string) error {
	of, _ := objectOf(kind)
	change.Module, change.Collection = of.module, of.collection()
	if err := ingest.CheckModule(of.module); err != nil {
		return err
	}
	var id string
	switch change.Operation {
	case "merge":
		id = m.first("newObjectId", "primaryObjectId", "objectId")
	case "associationChange":
		id = m.first("fromObjectId", "objectId")
	default:
		id = m.id("objectId")
	}
	if id == "" {
		return fmt.Errorf("%w: the id of the record is missing or not a number", ingest.ErrMalformed)
	}
	if err := ingest.CheckRecordID(id); err != nil {
		return err
	}
	change.IDs = []string{id}
	if who, ok := strings.CutPrefix(m.text("sourceId"), "userId:"); ok {
		change.ChangedBy = who
	}
	if name := m.text("propertyName"); name != "" {
		change.Fields = map[string][]string{id: {name}}
		change.Values = valuesOf(id, body.Members{{Name: []byte(name), Value: m.Of("propertyValue")}}, string(m.Of("isSensitive")) == "true")
	}
	change.Mark = m.mark(change)
	return nil
}

// valuesOf returns the values of a record's properties, but for sensitive ones, whose values HubSpot replaces. nil: there are none.
func valuesOf(id string, properties body.Members, sensitive bool) map[string]rawJSON {
	size := 2
	for _, one := range properties {
		size += len(one.Name) + len(one.Value) + 4
	}
	values := append(make(rawJSON, 0, size), '{')
	for _, one := range properties {
		if len(one.Value) > 0 && !sensitive && string(one.Value) != `"REDACTED"` {
			values = append(jsontext.AppendName(values, string(one.Name)), one.Value...)
		}
	}
	if len(values) == 1 {
		return nil
	}
	return map[string]rawJSON{id: append(values, '}')}
}

// mark distinguishes an event from others; a repeated delivery has the same. HubSpot does not promise that eventId alone is unique.
// Empty where a part is missing without which equal-looking events could not be distinguished.
func (m members) mark(change *ingest.Change) string {
	event, at := m.id("eventId"), change.OccurredAt
	if event == "" || change.Channel == "" || at.IsZero() {
		return ""
	}
	record, about := m.id("objectId"), m.text("propertyName")
	if change.Operation == "associationChange" {
		record = m.id("fromObjectId") + ">" + m.id("toObjectId") + " " + m.id("associationTypeId") + m.text("associationType")
	}
	if message := m.id("messageId"); message != "" {
		about = message
	}
	return strings.Join([]string{change.Channel, event, strconv.FormatInt(at.UnixMilli(), 10), record, about}, "/")
}

package asyncapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// The content types of messages.
const (
	structuredType = "application/cloudevents+json"
	dataType       = "application/json"
)

// envelope is a schema of CloudEvents in the structured mode, and what the messages of both modes are made from.
type envelope struct {
	name     string // of the schema in the document
	schema   *yaml.Node
	required []string
	headers  map[string]any // those of its messages that are no attributes
}

// eventEnvelope is that of a change, recordEnvelope that of a record's state.
func eventEnvelope() (envelope, error) {
	return readEnvelope("event", schemas.Envelope(), map[string]any{"Nats-Msg-Id": messageID, "traceparent": traceParent})
}

func recordEnvelope() (envelope, error) {
	return readEnvelope("record-event", schemas.RecordEnvelope(), nil)
}

func readEnvelope(name string, raw []byte, headers map[string]any) (envelope, error) {
	var says struct{ Required []string }
	if err := json.Unmarshal(raw, &says); err != nil {
		return envelope{}, err
	}
	schema, err := schemaNode(raw)
	return envelope{name, schema, says.Required, headers}, err
}

// message describes the events of a family in the mode that the bridge writes.
func (e envelope) message(f family, binary bool) (message, error) {
	m := message{
		Name: f.name, Title: f.title, Summary: f.description, ContentType: structuredType,
		Headers: e.header(structuredType, "The mode of CloudEvents. NATS' headers are case-sensitive."),
		Payload: e.whole(f), Tags: tags([]string{f.provider}),
	}
	if binary {
		m.ContentType, m.Headers, m.Payload = dataType, e.attributes(f), ref{"#/components/schemas/" + f.name}
	}
	one, err := e.example(f, binary)
	m.Examples = []example{one}
	return m, err
}

// header is a schema of headers.
type header struct {
	Type       string         `yaml:"type"`
	Required   []string       `yaml:"required"`
	Properties map[string]any `yaml:"properties"`
}

type constant struct {
	Const       string `yaml:"const"`
	Description string `yaml:"description,omitempty"`
}

type stringSchema struct {
	Type        string `yaml:"type"`
	Pattern     string `yaml:"pattern,omitempty"`
	Description string `yaml:"description"`
}

var messageID = stringSchema{"string", "", "The event's id, by which the stream recognises a repeat; of a replay with the job before it. Absent where the id cannot come again."}

var traceParent = stringSchema{"string", "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", "The trace context that a consumer continues: that of the callback's request, which the event has as an extension, too; while the bridge exports traces, that of its own span. Absent where there is none."}

// header are the headers that a message has in both modes.
func (e envelope) header(contentType, description string) header {
	h := header{Type: "object", Required: []string{"content-type"}, Properties: map[string]any{"content-type": constant{contentType, description}}}
	maps.Copy(h.Properties, e.headers)
	return h
}

// whole is the schema of a message in the structured mode: the envelope, and the family's data in it.
func (e envelope) whole(f family) any {
	own := header{Type: "object", Required: []string{"dataschema", "data"}, Properties: map[string]any{
		"dataschema": dataSchema(f), "data": ref{"#/components/schemas/" + f.name},
	}}
	if f.provider != "" {
		own.Required, own.Properties["crmprovider"] = append([]string{"crmprovider"}, own.Required...), constant{Const: f.provider}
	}
	return struct {
		AllOf []any `yaml:"allOf"`
	}{[]any{ref{"#/components/schemas/" + e.name}, own}}
}

// dataSchema tells the messages of a channel apart, wherever the schema is served.
func dataSchema(f family) stringSchema {
	return stringSchema{"string", "(:|/schemas/v1/)" + f.name + `(\.json)?$`, "Names the schema of the data: where the bridge serves it, or a URN where it has no public URL."}
}

// attributes are those of the envelope as headers of the binary mode.
func (e envelope) attributes(f family) header {
	h := e.header(dataType, "What the data is. NATS' headers are case-sensitive.")
	attributes := find(e.schema, "properties")
	for i := 0; i+1 < len(attributes.Content); i += 2 {
		name, attribute := attributes.Content[i].Value, attributes.Content[i+1]
		if name == "data" || name == "datacontenttype" {
			continue
		}
		if slices.Contains(e.required, name) {
			h.Required = append(h.Required, "ce-"+name)
		}
		h.Properties["ce-"+name] = attribute
	}
	h.Properties["ce-dataschema"] = dataSchema(f)
	if f.provider != "" {
		h.Properties["ce-crmprovider"] = constant{Const: f.provider}
	}
	return h
}

// example is the family's event as the mode writes it.
func (e envelope) example(f family, binary bool) (example, error) {
	var event struct{ Type, CRMProvider, CRMModule, CRMOperation string }
	if err := json.Unmarshal(f.event, &event); err != nil {
		return example{}, err
	}
	one := example{
		Name: event.Type, Summary: fmt.Sprintf("%s of %s in %s.", event.CRMOperation, event.CRMModule, event.CRMProvider),
		Headers: map[string]string{"content-type": structuredType}, raw: f.event,
	}
	if binary {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(f.event, &members); err != nil {
			return one, err
		}
		one.Headers["content-type"], one.raw = dataType, members["data"]
		for name, raw := range members {
			var text string
			if name != "data" && name != "datacontenttype" && json.Unmarshal(raw, &text) == nil {
				one.Headers["ce-"+name] = text
			}
		}
	}
	var err error
	one.Payload, err = node(one.raw)
	return one, err
}

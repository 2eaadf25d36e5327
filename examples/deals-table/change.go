package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
)

// change is the part of an event's data that the table reads; the JSON Schema in dataschema describes all of it.
type change struct {
	Operation string                                `json:"operation"` // create, edit, delete
	IDs       []string                              `json:"ids"`
	Fields    map[string][]string                   `json:"fields"` // names of changed fields, by record id
	Values    map[string]map[string]json.RawMessage `json:"values"` // as far as the CRM reported them; raw, because no digit may change

	event string
	at    time.Time
}

// read reads an event in either content mode (BRIDGE_EVENT_MODE).
func read(headers nats.Header, text []byte) (change, error) {
	var c change
	e, err := decode(headers, text)
	if err == nil {
		err = e.DataAs(&c)
	}
	c.event, c.at = e.ID(), e.Time() // the time is occurredAt, or the arrival if the CRM gave none
	if origin, _ := e.Extensions()["crmorigin"].(string); origin != "live" && c.at.Nanosecond() == 0 {
		// A repair or a backfill reads records, whose last change has a precision of a second. It is the last change in that second, so
		// it counts as the second's end: else a callback of the same second could hide it.
		c.at = c.at.Add(time.Second - 1)
	}
	return c, err
}

// decode reads a CloudEvent. Header names are in lower case.
func decode(headers nats.Header, text []byte) (event.Event, error) {
	contentType := headers.Get("content-type")
	if !strings.HasPrefix(contentType, event.ApplicationCloudEventsJSON) { // binary: the attributes are headers, the message is the data
		attributes := map[string]any{"datacontenttype": contentType, "data": json.RawMessage(text)}
		for header, values := range headers {
			if name, ok := strings.CutPrefix(header, "ce-"); ok {
				value, err := url.PathUnescape(values[0])
				if err != nil {
					return event.New(), err
				}
				attributes[name] = value
			}
		}
		var err error
		if text, err = json.Marshal(attributes); err != nil {
			return event.New(), err
		}
	}
	e := event.New()
	if err := json.Unmarshal(text, &e); err != nil {
		return event.New(), err
	}
	return e, e.Validate()
}

package asyncapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/schemas"
)

const home = "https://github.com/crm-bridge/crm-bridge"

// New describes a bridge. The same bridge has the same document, to the byte.
func New(b Facts) (Document, error) {
	set, err := schemas.Load()
	if err != nil {
		return Document{}, err
	}
	all, err := families(set)
	if err != nil {
		return Document{}, err
	}
	envelope, err := eventEnvelope()
	if err != nil {
		return Document{}, err
	}
	d := Document{
		stream:   b.Stream,
		AsyncAPI: "3.1.0", ID: "urn:crm-bridge:events", DefaultContentType: structuredType,
		Servers: map[string]server{}, contents: newContents(), standIns: newContents(), alike: map[string]likeness{},
		Components: components{Schemas: map[string]any{}, Messages: map[string]message{}},
	}
	if b.Binary {
		d.DefaultContentType = dataType
	} else {
		d.Components.Schemas[envelope.name] = envelope.schema
	}
	subjects, more := b.subjects(all)
	d.Info = b.info(more)
	d.addServers(b.Servers)
	for _, f := range all {
		d.Components.Schemas[f.name] = f.schema
		if d.Components.Messages[f.name], err = envelope.message(f, b.Binary); err != nil {
			return Document{}, fmt.Errorf("example of %s: %w", f.name, err)
		}
	}
	for _, provider := range providers(all) {
		d.addProvider(b, provider, all)
	}
	for _, s := range subjects {
		takes := func(f family) bool { return f.takes(s) }
		d.addSubject(b, s, all, takes)
		standIn := s.standIn(all)
		if _, ok := d.standIns.Channels[standIn.name]; !ok {
			d.standIns.addSubject(b, standIn, all, takes)
		}
		d.alike[s.name] = likeness{standIn.name, strings.NewReplacer(standIn.module, s.module, standIn.operation, s.operation)}
	}
	return d, d.addRecords(b, set, all)
}

// addSubject adds the channel of a subject, with the messages of some families.
func (in contents) addSubject(b Facts, s subject, all []family, takes func(family) bool) {
	in.addChannel(s.name, channel{
		Address: b.Prefix + "." + s.name, Title: s.operation + " in " + s.module,
		Description: fmt.Sprintf("Events of %s whose module is %s and whose operation is %s.", s.provider, s.module, s.operation),
		Tags:        tags([]string{s.provider}), JetStream: jetStream{b.Stream},
	}, names(all, takes))
}

// standIn is a subject of the same CRM with the same families, and words that are nowhere else in a document.
func (s subject) standIn(all []family) subject {
	module, operation := "Q7z", "Operation9qX"
	for _, f := range all {
		if f.takes(s) {
			module += strings.ReplaceAll(f.name, "-", "Q7z")
		}
	}
	return subject{s.provider + "." + module + "." + operation, s.provider, module, operation}
}

func providers(all []family) []string {
	var names []string
	for _, f := range all {
		names = append(names, f.provider)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (b Facts) info(more int) info {
	mode := "in the structured mode: a message is the whole event as JSON"
	if b.Binary {
		mode = "in the binary mode: a message is the data, and its ce- headers are the attributes"
	}
	text := []string{
		"crm-bridge turns the changes of a CRM into CloudEvents in NATS JetStream. This document describes it from its own side: it sends, and your service receives.",
		fmt.Sprintf("All events are in the stream `%s`, %s. Make a durable consumer of it with the subjects that you want, from any moment of its history on.", b.Stream, mode),
		"An event comes at least once: be idempotent by its `id`. Ignore members that you do not know, and operations that you do not handle: both may become more.",
		"A module and an operation have a channel of their own here once the bridge is configured for them or has published such an event. Every other has the channel with parameters.",
	}
	if more > 0 {
		text = append(text, fmt.Sprintf("%d more subjects than have a channel here were seen.", more))
	}
	return info{
		Title: "crm-bridge", Version: b.Version, Description: strings.Join(text, "\n\n") + "\n",
		Contact: contact{"crm-bridge", home}, License: license{"Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"},
		Tags:         []tag{{"crm", "What changes in a CRM."}, {"cloudevents", "CloudEvents 1.0."}, {"jetstream", "Kept in NATS JetStream."}},
		ExternalDocs: externalDocs{"The events, and what may change in them", home + "/blob/main/docs/events.md"},
	}
}

func (d *Document) addServers(servers []Server) {
	for i, s := range servers {
		name := "nats"
		if i > 0 {
			name = fmt.Sprintf("nats-%d", i+1)
		}
		one := server{Host: s.Host, Protocol: s.Protocol, Description: s.Description}
		if s.TLS {
			one.Description += " Over TLS."
		}
		if strings.Contains(s.Host, "{host}") {
			one.Variables = map[string]variable{"host": {s.DefaultHost, "The name under which you reach the machine that the bridge runs on."}}
		}
		if s.Password {
			one.Security = []ref{{"#/components/securitySchemes/consumer"}}
			d.Components.SecuritySchemes = map[string]securityScheme{"consumer": {"userPassword", "The user that the bridge lets read its streams. It can write to none."}}
		}
		d.Servers[name] = one
	}
}

// addProvider adds the channels that stand for all modules and operations of a CRM.
func (d *Document) addProvider(b Facts, provider string, all []family) {
	parameters := map[string]parameter{
		"module":    {"The kind of record, as the CRM's API writes it: 1 to 100 of the characters A-Z a-z 0-9 _ -", d.values(all, provider, "module")},
		"operation": {"create, edit or delete; any other word is the CRM's own, or that of a webhook's author.", d.values(all, provider, "operation")},
	}
	every := names(all, func(f family) bool { return f.provider == provider })
	d.addChannel(provider, channel{
		Address: b.Prefix + "." + provider + ".{module}.{operation}", Title: "Every change in " + provider, Parameters: parameters,
		Description: fmt.Sprintf("Events of every module and operation of %s. Subscribe to `%s.%s.>` for all of them, or put `*` instead of one.", provider, b.Prefix, provider),
		Tags:        tags([]string{provider}), JetStream: jetStream{b.Stream},
	}, every)

	replayed := map[string]parameter{"job": {"The name of the replay job.", nil}, "module": parameters["module"], "operation": parameters["operation"]}
	d.addChannel(provider+".replay", channel{
		Address: b.Prefix + "-replay.{job}." + provider + ".{module}.{operation}", Title: "Changes in " + provider + ", replayed", Parameters: replayed,
		Description: "Events that `crm-bridge replay --to subject` re-delivered, for one job, with the ids that they have in the stream of events.",
		Tags:        tags([]string{provider}), JetStream: jetStream{b.Stream + "_REPLAY"},
	}, every)
}

// values are those of an attribute in the examples of a provider's families.
func (d *Document) values(all []family, provider, attribute string) (found []string) {
	for _, f := range all {
		if n := find(f.schema, "examples"); f.provider == provider && n != nil {
			for _, one := range n.Content {
				found = append(found, find(one, attribute).Value)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// names are those of some families.
func names(all []family, of func(family) bool) (found []string) {
	for _, f := range all {
		if of(f) {
			found = append(found, f.name)
		}
	}
	return found
}

// addChannel adds a channel with messages, and the operation that sends them.
func (in contents) addChannel(name string, c channel, messages []string) {
	c.Messages = map[string]ref{}
	send := operation{Action: "send", Channel: ref{"#/channels/" + name}, Title: c.Title, Summary: c.Description, Bindings: bindings{binding{"0.1.0"}}}
	for _, message := range messages {
		c.Messages[message] = ref{"#/components/messages/" + message}
		send.Messages = append(send.Messages, ref{"#/channels/" + name + "/messages/" + message})
	}
	in.Channels[name], in.Operations["send."+name] = c, send
}

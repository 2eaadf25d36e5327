package asyncapi

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Document is an AsyncAPI 3.1 document: of that format, what the bridge has to say. Maps are written sorted.
type Document struct {
	AsyncAPI           string            `yaml:"asyncapi"`
	ID                 string            `yaml:"id"`
	Info               info              `yaml:"info"`
	DefaultContentType string            `yaml:"defaultContentType"`
	Servers            map[string]server `yaml:"servers"`
	// YAML writes these itself.
	contents   `yaml:"-"`
	Components components `yaml:"-"`

	stream   string              // of events
	standIns contents            // for channels that differ from one another in their subject alone
	alike    map[string]likeness // by the names of such channels
}

// contents are the members of a document of which there may be hundreds.
type contents struct {
	Channels   map[string]channel
	Operations map[string]operation
}

func newContents() contents { return contents{map[string]channel{}, map[string]operation{}} }

// likeness is how a channel differs from a stand-in.
type likeness struct {
	standIn string            // its name
	words   *strings.Replacer // puts the words of a subject instead of those of the stand-in
}

type info struct {
	Title        string       `yaml:"title"`
	Version      string       `yaml:"version"`
	Description  string       `yaml:"description"`
	Contact      contact      `yaml:"contact"`
	License      license      `yaml:"license"`
	Tags         []tag        `yaml:"tags"`
	ExternalDocs externalDocs `yaml:"externalDocs"`
}

type contact struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
}

type license struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
}

type tag struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description,omitempty"`
}

type externalDocs struct {
	Description string `yaml:"description,omitempty"`
	URL         string `yaml:"url"`
}

type ref struct {
	To string `yaml:"$ref"`
}

type server struct {
	Host        string              `yaml:"host"`
	Protocol    string              `yaml:"protocol"`
	Description string              `yaml:"description"`
	Variables   map[string]variable `yaml:"variables,omitempty"`
	Security    []ref               `yaml:"security,omitempty"`
	Bindings    bindings            `yaml:"bindings"`
}

type variable struct {
	Default     string `yaml:"default"`
	Description string `yaml:"description"`
}

type channel struct {
	Address     string               `yaml:"address"`
	Title       string               `yaml:"title"`
	Description string               `yaml:"description"`
	Messages    map[string]ref       `yaml:"messages"`
	Parameters  map[string]parameter `yaml:"parameters,omitempty"`
	Tags        []tag                `yaml:"tags"`
	Bindings    bindings             `yaml:"bindings"`
	JetStream   jetStream            `yaml:"x-jetstream"`
}

// jetStream is an extension: NATS' bindings have no word for a stream.
type jetStream struct {
	Stream string `yaml:"stream"`
}

type parameter struct {
	Description string   `yaml:"description"`
	Examples    []string `yaml:"examples,omitempty"`
}

type operation struct {
	Action   string   `yaml:"action"`
	Channel  ref      `yaml:"channel"`
	Title    string   `yaml:"title"`
	Summary  string   `yaml:"summary"`
	Messages []ref    `yaml:"messages"`
	Bindings bindings `yaml:"bindings"`
}

type message struct {
	Name        string    `yaml:"name"`
	Title       string    `yaml:"title"`
	Summary     string    `yaml:"summary"`
	ContentType string    `yaml:"contentType"`
	Headers     any       `yaml:"headers"`
	Payload     any       `yaml:"payload"`
	Tags        []tag     `yaml:"tags"`
	Bindings    bindings  `yaml:"bindings"`
	Examples    []example `yaml:"examples"`
}

type example struct {
	Name    string            `yaml:"name"`
	Summary string            `yaml:"summary"`
	Headers map[string]string `yaml:"headers"`
	Payload *yaml.Node        `yaml:"payload"`
	raw     json.RawMessage   // the payload as the bridge writes it
}

type components struct {
	Schemas         map[string]any            `yaml:"schemas"`
	Messages        map[string]message        `yaml:"messages"`
	SecuritySchemes map[string]securityScheme `yaml:"securitySchemes,omitempty"`
}

type securityScheme struct {
	Type        string `yaml:"type"`
	Description string `yaml:"description"`
}

// bindings are those of NATS (version 0.1.0). Only an operation's has any field: the queue group of a subscriber, which the
// bridge is not.
type bindings struct {
	NATS binding `yaml:"nats"`
}

type binding struct {
	Version string `yaml:"bindingVersion,omitempty"`
}

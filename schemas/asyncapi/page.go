package asyncapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed page.html
var pageText string

// page is what the template shows of a document.
type page struct {
	Title, Version, Stream, Docs string
	Binary                       bool
	Servers                      []pageServer
	Channels                     []pageChannel
	Event                        members
	Messages                     []pageMessage
}

type pageServer struct{ Address, Description string }

type pageChannel struct {
	Address  string
	Messages []string
}

type pageMessage struct {
	Name, Title, Summary string
	Members              members
	Example              pageExample
}

type pageExample struct{ Summary, Text string }

// Page returns the document as a page that needs nothing else, and the Content-Security-Policy that lets a browser fetch
// and run nothing, and use the page's own style alone.
func (d Document) Page() (html []byte, policy string, err error) {
	shown, err := d.page()
	if err != nil {
		return nil, "", err
	}
	parsed, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, shown); err != nil {
		return nil, "", fmt.Errorf("write the page: %w", err)
	}
	_, rest, _ := strings.Cut(out.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	hash := sha256.Sum256([]byte(style))
	policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return out.Bytes(), policy, nil
}

func (d Document) page() (page, error) {
	envelope, err := readEnvelope()
	if err != nil {
		return page{}, err
	}
	p := page{
		Title: d.Info.Title, Version: d.Info.Version, Docs: d.Info.ExternalDocs.URL, Binary: d.DefaultContentType == dataType,
		Event: members{Caption: "Attributes of every event", Rows: rows(envelope.schema, "", nil)},
	}
	if p.Binary { // these two are no headers of their name
		p.Event.Rows = slices.DeleteFunc(p.Event.Rows, func(r row) bool { return r.Name == "data" || r.Name == "datacontenttype" })
	}
	for _, name := range slices.Sorted(maps.Keys(d.Servers)) {
		s := d.Servers[name]
		p.Servers = append(p.Servers, pageServer{s.Protocol + "://" + s.Host, s.about()})
	}
	p.addChannels(d.Channels)
	for _, name := range slices.Sorted(maps.Keys(d.Components.Messages)) {
		m := d.Components.Messages[name]
		schema, ok := d.Components.Schemas[name].(*yaml.Node)
		if !ok {
			return page{}, fmt.Errorf("message %s has no schema of its name", name)
		}
		p.Messages = append(p.Messages, pageMessage{
			Name: name, Title: m.Title, Summary: m.Summary, Members: members{Caption: "Members of data", Rows: rows(schema, "", nil)},
			Example: pageExample{m.Examples[0].Summary, m.Examples[0].text()},
		})
	}
	return p, nil
}

// about is all that a reader has to know of a server beside its address.
func (s server) about() string {
	text := s.Description
	if v, ok := s.Variables["host"]; ok {
		text += " {host}: " + v.Description
		if v.Default != "" {
			text += " Perhaps " + v.Default + "."
		}
	}
	if len(s.Security) > 0 {
		text += " It asks for a user and a password."
	}
	return text
}

// addChannels adds those with parameters before the others.
func (p *page) addChannels(channels map[string]channel) {
	for _, parameters := range []bool{true, false} {
		for _, name := range slices.Sorted(maps.Keys(channels)) {
			c := channels[name]
			if (c.Parameters != nil) == parameters {
				p.Channels = append(p.Channels, pageChannel{c.Address, slices.Sorted(maps.Keys(c.Messages))})
			}
			if !strings.HasSuffix(c.JetStream.Stream, "_REPLAY") {
				p.Stream = c.JetStream.Stream
			}
		}
	}
}

// text is an example as a reader would see the message: its headers, where they tell something, and its JSON.
func (e example) text() string {
	var out bytes.Buffer
	if len(e.Headers) > 1 {
		for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
			fmt.Fprintf(&out, "%s: %s\n", name, e.Headers[name])
		}
		out.WriteString("\n")
	}
	_ = json.Indent(&out, e.raw, "", "  ") // it was parsed before
	return strings.TrimSpace(out.String())
}

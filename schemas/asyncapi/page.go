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

	"github.com/crm-bridge/crm-bridge/schemas"
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
	Records                      *pageRecords // nil: none are kept
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

type pageRecords struct {
	Stream  string
	Event   members
	Message pageMessage
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
	p := page{Title: d.Info.Title, Version: d.Info.Version, Stream: d.stream, Docs: d.Info.ExternalDocs.URL, Binary: d.DefaultContentType == dataType}
	envelope, err := eventEnvelope()
	if err != nil {
		return page{}, err
	}
	p.Event = envelope.members("Attributes of every event", p.Binary)
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
		shown := pageMessage{
			Name: name, Title: m.Title, Summary: m.Summary, Members: members{Caption: "Members of data", Rows: rows(schema, "", nil)},
			Example: pageExample{m.Examples[0].Summary, m.Examples[0].text()},
		}
		if name != schemas.RecordFamily {
			p.Messages = append(p.Messages, shown)
			continue
		}
		if envelope, err = recordEnvelope(); err != nil {
			return page{}, err
		}
		p.Records = &pageRecords{d.Channels[records].JetStream.Stream, envelope.members("Attributes of every state", p.Binary), shown}
	}
	return p, nil
}

// members are the attributes; data and datacontenttype are no headers of their name.
func (e envelope) members(caption string, binary bool) members {
	all := rows(e.schema, "", nil)
	if binary {
		all = slices.DeleteFunc(all, func(r row) bool { return r.Name == "data" || r.Name == "datacontenttype" })
	}
	return members{caption, all}
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

package zoho

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

var errLossy = errors.New("does not convert to JSON without loss")

// deepestXML is how many elements, less one, may be nested in XML that is converted: each takes up to two levels of JSON, and its
// event has a few of its own.
const deepestXML = jsontext.MaxDepth/2 - 1

// element is an XML element on its way to JSON.
type element struct {
	name     string
	attrs    []xml.Attr
	children []*element
	text     strings.Builder
}

// xmlToJSON converts an XML text to {"root": …}: an element becomes its text, or an object of its attributes ("@name"), its children
// by name (a list where a name is repeated), and its text ("#text") where it has attributes too. object is nil if the conversion
// would lose anything: text between children, a comment, an instruction, a document type (and with it all its entities), or the
// order of children of one name with others between them. Nothing is ever fetched. The webhook's secret is not in object.
// leaves are the children of the root with their text, as far as they can be read; one that has children has no text.
func xmlToJSON(text string) (object json.RawMessage, leaves body.Params) {
	above, err := readXML(text)
	if len(above.children) == 0 {
		return nil, nil
	}
	root := above.children[0]
	for _, child := range root.children {
		leaf := body.Param{Name: child.name}
		if len(child.children) == 0 {
			leaf.Value = strings.TrimSpace(child.text.String())
		}
		leaves = append(leaves, leaf)
	}
	if err != nil || len(above.children) != 1 || strings.TrimSpace(above.text.String()) != "" {
		return nil, leaves
	}
	root.children = slices.DeleteFunc(root.children, func(child *element) bool { return child.name == secretParam })
	if object, err = root.wrapped(); err != nil {
		return nil, leaves
	}
	return object, leaves
}

// readXML reads elements, up to the first that is not well-formed, as children of above. Its error says that some of the text is
// missing.
func readXML(text string) (above *element, err error) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil } // it is UTF-8 by now
	above = &element{}
	open, deeper := []*element{above}, 0
	for {
		token, broken := decoder.RawToken()
		if errors.Is(broken, io.EOF) && len(open) == 1 {
			return above, err
		}
		if broken != nil {
			return above, broken
		}
		here := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) >= deepestXML {
				deeper, err = deeper+1, errLossy
				continue
			}
			child := &element{name: qualified(t.Name), attrs: append([]xml.Attr(nil), t.Attr...)}
			here.children = append(here.children, child)
			open = append(open, child)
		case xml.EndElement:
			switch {
			case deeper > 0:
				deeper--
			case len(open) == 1 || here.name != qualified(t.Name):
				return above, errLossy
			default:
				open = open[:len(open)-1]
			}
		case xml.CharData:
			here.text.Write(t)
		case xml.ProcInst:
			if t.Target != "xml" {
				err = errLossy
			}
		default:
			err = errLossy
		}
	}
}

func qualified(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

func (e *element) wrapped() (json.RawMessage, error) {
	value, err := e.json()
	if err != nil {
		return nil, err
	}
	return append(append(jsontext.AppendName([]byte{'{'}, e.name), value...), '}'), nil
}

func (e *element) json() (json.RawMessage, error) {
	text := e.text.String()
	if len(e.children) > 0 {
		if text = strings.TrimSpace(text); text != "" {
			return nil, errLossy
		}
	}
	if len(e.attrs) == 0 && len(e.children) == 0 {
		return jsontext.Quote(text), nil
	}
	object, seen := []byte{'{'}, map[string]bool{}
	add := func(name string, value json.RawMessage) error {
		if seen[name] {
			return errLossy
		}
		seen[name] = true
		object = append(jsontext.AppendName(object, name), value...)
		return nil
	}
	for _, attr := range e.attrs {
		if err := add("@"+qualified(attr.Name), jsontext.Quote(attr.Value)); err != nil {
			return nil, err
		}
	}
	if text != "" {
		if err := add("#text", jsontext.Quote(text)); err != nil {
			return nil, err
		}
	}
	for i := 0; i < len(e.children); {
		name, first, group := e.children[i].name, i, []byte{'['}
		for ; i < len(e.children) && e.children[i].name == name; i++ {
			value, err := e.children[i].json()
			if err != nil {
				return nil, err
			}
			group = append(jsontext.AppendComma(group), value...)
		}
		value := group[1:]
		if i > first+1 {
			value = append(group, ']')
		}
		if err := add(name, value); err != nil {
			return nil, err
		}
	}
	return append(object, '}'), nil
}

// withoutCredentials removes from an XML text as JSON the root's children and attributes whose names are hidden, and returns what
// they held.
func withoutCredentials(object json.RawMessage, hidden func(name string) bool) (kept json.RawMessage, credentials []string) {
	for root, children := range jsontext.Members(object) {
		kept = jsontext.AppendName([]byte{'{'}, string(root))
		if !bytes.HasPrefix(children, []byte("{")) {
			return object, nil
		}
		kept = append(kept, '{')
		for name, value := range jsontext.Members(children) {
			if hidden(strings.TrimPrefix(string(name), "@")) {
				if text, ok := jsontext.StringOf(value); ok {
					credentials = append(credentials, strings.TrimSpace(text))
				}
				continue
			}
			kept = append(jsontext.AppendName(kept, string(name)), value...)
		}
		kept = append(kept, "}}"...)
	}
	return kept, credentials
}

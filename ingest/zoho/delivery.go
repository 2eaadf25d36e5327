package zoho

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"slices"
	"strings"

	"golang.org/x/text/encoding"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// delivery is what a webhook carries, whichever of the many ways its administrator chose.
type delivery struct {
	params ingest.Params   // of the URL, and of a form
	object json.RawMessage // a body that is, or converts to, a JSON object; else anything
	body   json.RawMessage // JSON as JSON, other text as a string; nil: a form, which stands in params
	query  ingest.Params   // the URL's parameters where they do not stand in the body, and are not the secret alone
	xml    json.RawMessage // an XML body as JSON, where that loses nothing
}

// native returns what came as JSON: a form with the URL's parameters as an object, anything else with them beside it.
func (d delivery) native() (body, query json.RawMessage) {
	if d.body == nil {
		return d.params.JSON(), nil
	}
	if d.query != nil {
		query = d.query.JSON()
	}
	return d.body, query
}

// readDelivery reads the URL and the body. Its errors wrap ErrMalformed.
func readDelivery(cb ingest.Callback) (delivery, error) {
	mediaType, params, charset, err := ingest.Content(cb.Header.Get("Content-Type"))
	if err != nil {
		return delivery{}, err
	}
	query, err := ingest.ParseForm(cb.RawQuery, nil)
	if err != nil && charset != nil {
		query, err = ingest.ParseForm(cb.RawQuery, charset)
	}
	if err != nil {
		return delivery{}, err
	}
	d := delivery{params: query}
	if slices.ContainsFunc(query, func(p ingest.Param) bool { return p.Name != secretParam }) {
		d.query = query
	}
	if mediaType == "multipart/form-data" {
		form, err := readMultipart(cb.Body, params["boundary"], charset)
		return d.withForm(form), err
	}
	if len(bytes.TrimSpace(cb.Body)) == 0 {
		return d.withForm(nil), nil
	}
	text, err := ingest.Text(cb.Body, pageOf(mediaType, charset))
	if err != nil {
		return d, err
	}
	return d.read(mediaType, text, charset)
}

// pageOf is the charset of the body's own bytes: those of a form are ASCII, its charset is that of what they encode.
func pageOf(mediaType string, charset encoding.Encoding) encoding.Encoding {
	if mediaType == "application/x-www-form-urlencoded" {
		return nil
	}
	return charset
}

// read decides by the type that the header names, and by content where it names none or the administrator typed a body
// of another kind into the form.
func (d delivery) read(mediaType, text string, charset encoding.Encoding) (delivery, error) {
	start := strings.TrimSpace(text)
	if start == "" {
		return d.withForm(nil), nil
	}
	isForm := mediaType == "application/x-www-form-urlencoded"
	switch {
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		if d = d.withJSON(text); !json.Valid(d.body) {
			return d, fmt.Errorf("%w: the body is not JSON, though its Content-Type says so", ingest.ErrMalformed)
		}
		return d, nil
	case (isForm || mediaType == "" || mediaType == "text/plain") && (start[0] == '{' || start[0] == '[') && json.Valid([]byte(text)):
		return d.withJSON(text), nil
	case start[0] == '<':
		return d.withXML(text), nil
	case isForm || mediaType == "" && strings.Contains(start, "="):
		form, err := ingest.ParseForm(start, charset)
		return d.withForm(form), err
	}
	d.body = ingest.JSONString(text)
	return d, nil
}

func (d delivery) withForm(form ingest.Params) delivery {
	d.params = append(d.params, form...)
	return d
}

func (d delivery) withJSON(text string) delivery {
	d.body = json.RawMessage(text)
	d.object = d.body
	return d
}

func (d delivery) withXML(text string) delivery {
	d.body = ingest.JSONString(text)
	if converted, secrets, err := xmlToJSON(text); err == nil {
		d.xml = converted
		for _, root := range ingest.Members(converted) {
			d.object = root
		}
		for _, secret := range secrets {
			d.params = append(d.params, ingest.Param{Name: secretParam, Value: secret})
		}
	}
	return d
}

// all returns the values of a name: parameters first, then the body's member of that name, the last if there are several;
// a list's entries each.
func (d delivery) all(name string) []string {
	values := d.params.All(name)
	var found json.RawMessage
	for member, value := range ingest.Members(d.object) {
		if string(member) == name {
			found = value
		}
	}
	if !bytes.HasPrefix(found, []byte("[")) {
		return appendDigits(values, found)
	}
	for entry := range ingest.Entries(found) {
		values = appendDigits(values, entry)
	}
	return values
}

func appendDigits(to []string, raw json.RawMessage) []string {
	if value, err := digits(raw, ""); err == nil {
		return append(to, value)
	}
	return to
}

// maxParts bounds the parts of a multipart body.
const maxParts = 1000

func readMultipart(body []byte, boundary string, outer encoding.Encoding) (ingest.Params, error) {
	if boundary == "" {
		return nil, fmt.Errorf("%w: the multipart body names no boundary", ingest.ErrMalformed)
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	var form ingest.Params
	for {
		part, err := reader.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped it means that the body ended before its last boundary
			return form, nil
		}
		if err != nil || len(form) >= maxParts {
			return nil, fmt.Errorf("%w: the multipart body is broken or has more than %d parts", ingest.ErrMalformed, maxParts)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("%w: the multipart body is broken", ingest.ErrMalformed)
		}
		_, _, charset, err := ingest.Content(part.Header.Get("Content-Type"))
		if err != nil {
			return nil, err
		}
		if charset == nil {
			charset = outer
		}
		value, err := ingest.Text(content, charset)
		if err != nil {
			return nil, err
		}
		name, err := ingest.Text([]byte(part.FormName()), nil)
		if err != nil && outer != nil {
			name, err = ingest.Text([]byte(part.FormName()), outer)
		}
		if err != nil {
			return nil, err
		}
		form = append(form, ingest.Param{Name: name, Value: value})
	}
}

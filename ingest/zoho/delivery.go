package zoho

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// delivery is the content of a webhook, in whatever form the administrator chose.
type delivery struct {
	params body.Params     // of the URL, and of a form
	object json.RawMessage // a body that is a JSON object; else anything
	leaves body.Params     // children of an XML body's root with their text, empty where they have children
	body   json.RawMessage // JSON as JSON, other text as a string; nil: a form, which is in params
	query  body.Params     // the URL's parameters beside a body, unless they are the secret alone
	xml    json.RawMessage // an XML body as JSON, if that is lossless
	shown  []string        // possible secrets in a body that cannot be read
	proofs []string        // what may prove it
}

// maxProofs bounds how many of the secrets that a webhook shows are compared with those of each org. A webhook shows one or two.
const maxProofs = 100

// native returns the delivery as JSON: a form and the URL's parameters as one object, any other body with the parameters beside it.
func (d delivery) native() (body, query json.RawMessage) {
	if d.body == nil {
		return d.params.JSON(), nil
	}
	if d.query != nil {
		query = d.query.JSON()
	}
	return d.body, query
}

// deliveryOf is readDelivery, once for a body, with what may prove the delivery.
func deliveryOf(cb ingest.Callback) (delivery, error) {
	return ingest.ParseOnce(cb, func(cb ingest.Callback) (delivery, error) {
		d, err := readDelivery(cb)
		d.proofs = append(d.all(secretParam), d.shown...)
		return d, err
	})
}

// readDelivery reads the URL and the body. With an error, which wraps ErrMalformed, it returns what could be read, which is all that
// Verify needs.
func readDelivery(cb ingest.Callback) (delivery, error) {
	mediaType, params, charset, unknown := body.Content(cb.Header.Get("Content-Type"))
	query, err := body.ParseQuery(cb.RawQuery, charset, isSecret)
	d := delivery{params: query}
	if slices.ContainsFunc(query, func(p body.Param) bool { return !isSecret(p.Name) }) {
		d.query = query
	}
	isForm := mediaType == formType
	page := charset
	if isForm { // it is ASCII, and the charset is that of the encoded values
		page = nil
	}
	text, bad := body.Text(cb.Body, page)
	start := strings.TrimSpace(text)
	looksJSON := strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[")
	notJSON := bad
	if notJSON == nil && (looksJSON || claimsJSON(mediaType)) {
		notJSON = jsontext.Check(text)
	}
	switch {
	case (looksJSON || claimsJSON(mediaType)) && notJSON == nil:
		return d.withJSON(text), err
	case errors.Is(notJSON, jsontext.ErrDepth):
		bad = fmt.Errorf("%w: the body is %w", ingest.ErrMalformed, notJSON)
	case mediaType == "multipart/form-data":
		form, broken := readMultipart(cb.Body, params["boundary"], charset)
		return d.withForm(form), cmp.Or(err, broken)
	case start == "":
		return d.withForm(nil), cmp.Or(err, bad)
	case claimsJSON(mediaType):
		bad = cmp.Or(bad, fmt.Errorf("%w: the body is not JSON, though its Content-Type says so", ingest.ErrMalformed))
	case start[0] == '<':
		d = d.withXML(text)
	case isForm || mediaType == "" && strings.Contains(start, "="):
		form, broken := body.ParseFormWith(string(bytes.TrimSpace(bytes.TrimPrefix(cb.Body, byteOrderMark))), charset, isSecret)
		d, bad = d.withForm(form), broken
	default:
		d.body = jsontext.Quote(text)
		bad = cmp.Or(bad, unknown)
	}
	if err = cmp.Or(err, bad); err != nil || looksJSON {
		d.shown = secretsIn(text)
	}
	return d, err
}

const formType = "application/x-www-form-urlencoded"

func claimsJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

func (d delivery) withForm(form body.Params) delivery {
	d.params = append(d.params, form...)
	return d
}

func (d delivery) withJSON(text string) delivery {
	d.body = json.RawMessage(text)
	d.object = d.body
	return d
}

func (d delivery) withXML(text string) delivery {
	d.body = jsontext.Quote(text)
	d.xml, d.leaves = xmlToJSON(text)
	return d
}

// all returns the values of a name: of parameters, then of children of an XML body's root, then of the JSON body's last member of that
// name, with each entry of a list.
func (d delivery) all(name string) []string {
	values, _ := d.values(name)
	return values
}

// values is all; whole is false where the body's member holds anything but strings and whole numbers.
func (d delivery) values(name string) (values []string, whole bool) {
	values = append(d.params.All(name), d.leaves.All(name)...)
	var found json.RawMessage
	for member, value := range jsontext.Members(d.object) {
		if string(member) == name {
			found = value
		}
	}
	entries := jsontext.Entries(found)
	switch {
	case found == nil:
		return values, true
	case found[0] != '[':
		entries = func(yield func(json.RawMessage) bool) { yield(found) }
	}
	for entry := range entries {
		value, err := digits(entry, name)
		if err != nil {
			return values, false
		}
		values = append(values, value)
	}
	return values, len(values) > 0
}

// secretMember matches a secret in JSON that cannot be parsed.
var secretMember = regexp.MustCompile(`"secret"\s*:\s*("(?:[^"\\]|\\.)*")`)

// secretsIn returns possible secrets in a text that cannot be parsed: in members of JSON, and in parameters.
func secretsIn(text string) []string {
	var shown []string
	for _, member := range secretMember.FindAllStringSubmatch(text, maxParts) {
		if secret, ok := jsontext.StringOf([]byte(member[1])); ok {
			shown = append(shown, secret)
		}
	}
	for param := range body.Pairs(text, nil) {
		if isSecret(param.Name) && len(shown) < 2*maxParts {
			shown = append(shown, param.Value)
		}
	}
	return shown
}

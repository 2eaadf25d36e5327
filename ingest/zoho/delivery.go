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

// delivery is what a webhook carries, whichever of the many ways its administrator chose.
type delivery struct {
	params body.Params     // of the URL, and of a form
	object json.RawMessage // a body that is a JSON object; else anything
	leaves body.Params     // children of an XML body's root with what they say, empty where they have children
	body   json.RawMessage // JSON as JSON, other text as a string; nil: a form, which stands in params
	query  body.Params     // the URL's parameters where they do not stand in the body, and are not the secret alone
	xml    json.RawMessage // an XML body as JSON, where that loses nothing
	shown  []string        // what a body that cannot be read shows as the secret
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

// readDelivery reads the URL and the body. Beside an error, which wraps ErrMalformed, stands what could be read: it is all
// that Verify judges.
func readDelivery(cb ingest.Callback) (delivery, error) {
	mediaType, params, charset, unknown := body.Content(cb.Header.Get("Content-Type"))
	query, err := body.ParseQuery(cb.RawQuery, charset, isSecret)
	d := delivery{params: query}
	if slices.ContainsFunc(query, func(p body.Param) bool { return !isSecret(p.Name) }) {
		d.query = query
	}
	isForm := mediaType == formType
	page := charset
	if isForm { // its own bytes are ASCII, and the charset is that of what they encode
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

var byteOrderMark = []byte("\xef\xbb\xbf")

func claimsJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

func isSecret(name string) bool { return name == secretParam }

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

// all returns the values of a name: parameters first, then the body's member of that name, the last if there are several, a
// list's entries each; of XML the children of its root.
func (d delivery) all(name string) []string {
	values, _ := d.values(name)
	return values
}

// values is all; whole is false where the body has the name, and something there is neither a string nor a whole number.
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

// secretMember is a secret in JSON that cannot be read.
var secretMember = regexp.MustCompile(`"secret"\s*:\s*("(?:[^"\\]|\\.)*")`)

// secretsIn returns what a text of no known shape shows as the webhook's secret: in members of JSON, and in parameters.
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

package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// maxParams bounds the parameters of one callback.
const maxParams = 1000

// Param is one parameter of a form or a URL, decoded.
type Param struct{ Name, Value string }

// Params are parameters in the order in which they came; a name may be repeated.
type Params []Param

// ParseForm reads application/x-www-form-urlencoded text, of a body or of a URL, in the charset that its bytes are in
// (nil: UTF-8). Its errors wrap ErrMalformed: more than 1,000 parameters, broken percent-encoding, broken characters.
func ParseForm(text string, charset encoding.Encoding) (Params, error) {
	if strings.Count(text, "&") >= maxParams {
		return nil, fmt.Errorf("%w: more than %d parameters", ErrMalformed, maxParams)
	}
	params := make(Params, 0, strings.Count(text, "&")+1)
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		var p Param
		var err error
		if p.Name, err = unescape(name, charset); err != nil {
			return nil, err
		}
		if p.Value, err = unescape(value, charset); err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	return params, nil
}

func unescape(text string, charset encoding.Encoding) (string, error) {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return "", fmt.Errorf("%w: a parameter is not percent-encoded as it should be", ErrMalformed)
	}
	if charset == nil && utf8.ValidString(plain) {
		return plain, nil
	}
	return toUTF8([]byte(plain), charset)
}

// Get returns the first value of a name, in exactly that spelling.
func (p Params) Get(name string) (value string, ok bool) {
	for _, param := range p {
		if param.Name == name {
			return param.Value, true
		}
	}
	return "", false
}

// All returns every value of a name.
func (p Params) All(name string) []string {
	var values []string
	for _, param := range p {
		if param.Name == name {
			values = append(values, param.Value)
		}
	}
	return values
}

// Encode writes the parameters as application/x-www-form-urlencoded text, in their order.
func (p Params) Encode() string {
	pairs := make([]string, len(p))
	for i, param := range p {
		pairs[i] = url.QueryEscape(param.Name) + "=" + url.QueryEscape(param.Value)
	}
	return strings.Join(pairs, "&")
}

// JSON returns the parameters as an object of names, each with its value or, where it is repeated, a list of them.
func (p Params) JSON() json.RawMessage {
	size, values := 2, make(map[string]int, len(p)) // how many each name has; 0: they are written
	for _, param := range p {
		size += len(param.Name) + len(param.Value) + 6
		values[param.Name]++
	}
	object := append(make([]byte, 0, size), '{')
	for i, param := range p {
		n := values[param.Name]
		if n == 0 {
			continue
		}
		values[param.Name] = 0
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(AppendJSONString(object, param.Name), ':')
		if n == 1 {
			object = AppendJSONString(object, param.Value)
		} else {
			object = appendList(object, p[i:].All(param.Name))
		}
	}
	return append(object, '}')
}

func appendList(to []byte, list []string) []byte {
	to = append(to, '[')
	for i, value := range list {
		if i > 0 {
			to = append(to, ',')
		}
		to = AppendJSONString(to, value)
	}
	return append(to, ']')
}

// Content splits a Content-Type into its media type, in lower case, and the charset that it names (nil: UTF-8). What
// cannot be read is an empty type. A charset that nobody knows is an error that wraps ErrMalformed.
func Content(contentType string) (mediaType string, params map[string]string, charset encoding.Encoding, err error) {
	if contentType == "application/x-www-form-urlencoded" || contentType == "application/json" {
		return contentType, nil, nil, nil
	}
	var broken error
	if mediaType, params, broken = mime.ParseMediaType(contentType); broken != nil {
		mediaType, _, _ = strings.Cut(contentType, ";")
		return strings.ToLower(strings.TrimSpace(mediaType)), nil, nil, nil //nolint:nilerr // the body then decides by its content
	}
	name := strings.ToLower(params["charset"])
	if name == "" || name == "utf-8" || name == "utf8" || name == "us-ascii" {
		return mediaType, params, nil, nil
	}
	if charset, err = htmlindex.Get(name); err != nil || charset == encoding.Replacement {
		return mediaType, params, nil, fmt.Errorf("%w: the charset of the Content-Type is unheard of", ErrMalformed)
	}
	return mediaType, params, charset, nil
}

// Text returns a body as UTF-8, without a byte order mark.
func Text(body []byte, charset encoding.Encoding) (string, error) {
	text, err := toUTF8(body, charset)
	return strings.TrimPrefix(text, "\ufeff"), err
}

func toUTF8(raw []byte, charset encoding.Encoding) (string, error) {
	if charset != nil {
		decoded, err := charset.NewDecoder().Bytes(raw)
		if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) { // a decoder puts U+FFFD for what it cannot read
			return "", fmt.Errorf("%w: the text is not in the charset that the Content-Type names", ErrMalformed)
		}
		raw = decoded
	}
	if !utf8.Valid(raw) {
		return "", fmt.Errorf("%w: the text is not UTF-8", ErrMalformed)
	}
	return string(raw), nil
}

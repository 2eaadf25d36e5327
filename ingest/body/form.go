// Package body reads what the bodies of callbacks are made of: forms, charsets, numbers and times in JSON.
package body

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// maxParams bounds the parameters of one callback.
const maxParams = 1000

// Param is one parameter of a form or a URL, decoded.
type Param struct{ Name, Value string }

// Params are parameters in the order in which they came; a name may be repeated.
type Params []Param

// ParseForm reads application/x-www-form-urlencoded text, of a body or of a URL, in the charset of what it encodes (nil:
// UTF-8). Every text reads: what is not encoded as it should be stays verbatim, as Unescape and Pairs say. More than 1,000
// parameters are an error that wraps ErrMalformed; the first 1,000 are returned beside it. So is a NUL in a name, as in UTF-16: such
// names would hide secrets.
func ParseForm(text string, charset encoding.Encoding) (Params, error) {
	return ParseFormWith(text, charset, func(string) bool { return false })
}

// ParseFormWith is ParseForm, but beside the error it also returns, of the parameters beyond 1,000, up to 1,000 for whose name
// proof reports true: those that authenticate.
func ParseFormWith(text string, charset encoding.Encoding, proof func(name string) bool) (Params, error) {
	params := make(Params, 0, min(strings.Count(text, "&")+1, maxParams))
	tooMany, hidden := false, false
	for param := range Pairs(text, charset) {
		hidden = hidden || strings.IndexByte(param.Name, 0) >= 0
		if len(params) < maxParams {
			params = append(params, param)
			continue
		}
		tooMany = true
		if len(params) < 2*maxParams && proof(param.Name) {
			params = append(params, param)
		}
	}
	switch {
	case tooMany:
		return params, fmt.Errorf("%w: more than %d parameters", ingest.ErrMalformed, maxParams)
	case hidden:
		return params, fmt.Errorf("%w: the name of a parameter has a NUL character", ingest.ErrMalformed)
	}
	return params, nil
}

// ParseQuery reads the parameters of a URL as ParseFormWith does, in the charset of the body where they are not UTF-8.
func ParseQuery(query string, charset encoding.Encoding, proof func(name string) bool) (Params, error) {
	if charset != nil && utf8.ValidString(ingest.Unescape(query)) {
		charset = nil
	}
	return ParseFormWith(query, charset, proof)
}

// Values returns the parameters of a URL by name, as Pairs reads them, without a bound; nil where there are none.
func Values(query string) url.Values {
	if query == "" {
		return nil
	}
	values := url.Values{}
	for param := range Pairs(query, nil) {
		values[param.Name] = append(values[param.Name], param.Value)
	}
	return values
}

// Pairs yields the parameters of application/x-www-form-urlencoded text. Only & separates them. A name or a value that is
// neither in charset nor UTF-8 is yielded as UTF-8 in which the bytes that are not stay percent-encoded, or become so.
func Pairs(text string, charset encoding.Encoding) iter.Seq[Param] {
	if charset == unicode.UTF8 || charset != nil && isWide(charset) {
		charset = nil // no form is in UTF-16: https://url.spec.whatwg.org/#urlencoded-serializing
	}
	return func(yield func(Param) bool) {
		for pair := range strings.SplitSeq(text, "&") {
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			if !yield(Param{decodeParam(name, charset), decodeParam(value, charset)}) {
				return
			}
		}
	}
}

func decodeParam(text string, charset encoding.Encoding) string {
	plain := ingest.Unescape(text)
	if charset != nil {
		if decoded, ok := decode([]byte(plain), charset); ok {
			return decoded
		}
	}
	if utf8.ValidString(plain) {
		return plain
	}
	return verbatim(text)
}

// verbatim is Unescape, but bytes that are not UTF-8 keep their percent-encoding, or get one.
func verbatim(text string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(text))
	for at := 0; at < len(text); {
		var character [utf8.UTFMax]byte
		var ends [utf8.UTFMax]int // where in text each byte of the character ends
		n := 0
		for end := at; n < utf8.UTFMax && end < len(text); n++ {
			b, size := ingest.EscapedByte(text, end)
			end += size
			character[n], ends[n] = b, end
		}
		switch r, size := utf8.DecodeRune(character[:n]); {
		case r != utf8.RuneError || size > 1:
			out = append(out, character[:size]...)
			at = ends[size-1]
		case ends[0]-at == 3:
			out = append(out, text[at:ends[0]]...)
			at = ends[0]
		default:
			out = append(out, '%', hex[character[0]>>4], hex[character[0]&15])
			at = ends[0]
		}
	}
	return string(out)
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
	var lists map[string][]string
	for _, param := range p {
		n := values[param.Name]
		if n == 0 {
			continue
		}
		values[param.Name] = 0
		object = jsontext.AppendName(object, param.Name)
		if n == 1 {
			object = jsontext.AppendString(object, param.Value)
			continue
		}
		if lists == nil {
			lists = p.byName()
		}
		object = append(object, '[')
		for _, value := range lists[param.Name] {
			object = jsontext.AppendString(jsontext.AppendComma(object), value)
		}
		object = append(object, ']')
	}
	return append(object, '}')
}

func (p Params) byName() map[string][]string {
	lists := make(map[string][]string, len(p))
	for _, param := range p {
		lists[param.Name] = append(lists[param.Name], param.Value)
	}
	return lists
}

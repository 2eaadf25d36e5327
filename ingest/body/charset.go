package body

import (
	"bytes"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Content splits a Content-Type into its media type, in lower case, its parameters, and the charset that it names (nil:
// none). A header that departs from RFC 9110, such as "application/json, application/json", is read up to its first comma or
// semicolon. An unknown charset is an error that wraps ErrMalformed; the other results count all the same.
func Content(contentType string) (mediaType string, params map[string]string, charset encoding.Encoding, err error) {
	switch contentType {
	case "", "application/x-www-form-urlencoded", "application/json":
		return contentType, nil, nil, nil
	}
	var broken error
	if mediaType, params, broken = mime.ParseMediaType(contentType); broken != nil {
		mediaType, params = looseContent(contentType)
	}
	name := strings.TrimSpace(params["charset"])
	if name == "" {
		return mediaType, params, nil, nil
	}
	if charset = charsetOf(name); charset == nil {
		err = fmt.Errorf("%w: the charset of the Content-Type is unknown", ingest.ErrMalformed)
	}
	return mediaType, params, charset, err
}

func looseContent(contentType string) (mediaType string, params map[string]string) {
	end := strings.IndexAny(contentType, ";,")
	if end < 0 {
		end = len(contentType)
	}
	params = map[string]string{}
	for _, param := range strings.FieldsFunc(contentType[end:], func(r rune) bool { return r == ';' || r == ',' }) {
		name, value, _ := strings.Cut(param, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); params[name] == "" {
			params[name] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return strings.ToLower(strings.TrimSpace(contentType[:end])), params
}

// charsetOf returns the charset of a name; nil where it is unknown, or one that browsers refuse to read.
func charsetOf(name string) encoding.Encoding {
	switch strings.ToLower(name) {
	case "utf-8", "utf8", "us-ascii":
		return unicode.UTF8
	}
	if charset, err := htmlindex.Get(name); err == nil && charset != encoding.Replacement {
		return charset
	}
	return nil
}

// Text returns a body as UTF-8, without a byte order mark. It is read in the first of these that fits: what the mark says, the
// charset that its header names (nil: none; UTF-16 does not fit what is UTF-8), the encoding that an XML declaration names, UTF-8, the
// charset that HTML names in itself. Where none fits, the error wraps ErrMalformed, and the text has U+FFFD for each run of bytes that
// could not be read. A text with NUL characters is returned with ErrNUL.
func Text(body []byte, charset encoding.Encoding) (string, error) {
	text, err := readText(body, charset)
	if err == nil && strings.IndexByte(text, 0) >= 0 {
		err = ErrNUL
	}
	return text, err
}

// ErrNUL is the error for a text with NUL characters: it is in UTF-16 or UTF-32 without saying so, and secrets would not be found in it.
var ErrNUL = fmt.Errorf("%w: the text has NUL characters", ingest.ErrMalformed)

func readText(body []byte, charset encoding.Encoding) (string, error) {
	if charset != nil && isWide(charset) && isUTF8(body) {
		charset = nil
	}
	for _, charset := range [...]encoding.Encoding{marked(body), charset, declared(body)} {
		if charset == nil {
			continue
		}
		if text, ok := decode(body, charset); ok {
			return strings.TrimPrefix(text, byteOrderMark), nil
		}
	}
	if utf8.Valid(body) {
		return strings.TrimPrefix(string(body), byteOrderMark), nil
	}
	if charset := declaredHTML(body); charset != nil {
		if text, ok := decode(body, charset); ok {
			return text, nil
		}
	}
	text := strings.TrimPrefix(strings.ToValidUTF8(string(body), "\ufffd"), byteOrderMark)
	if charset != nil {
		return text, fmt.Errorf("%w: the text is not in the charset that the Content-Type names", ingest.ErrMalformed)
	}
	return text, fmt.Errorf("%w: the text is not UTF-8", ingest.ErrMalformed)
}

// UTF8 returns what Text does where no header names a charset; it is the body itself if that is UTF-8.
func UTF8(body []byte) ([]byte, error) {
	if isText(body) {
		return body, nil
	}
	text, err := Text(body, nil)
	return []byte(text), err
}

// isText reports whether Text returns a body as it is, whatever its header says.
func isText(body []byte) bool {
	return marked(body) == nil && declared(body) == nil && isUTF8(body)
}

const byteOrderMark = "\ufeff"

// decode returns text of a charset as UTF-8; ok is false where it is not in that charset.
func decode(raw []byte, charset encoding.Encoding) (text string, ok bool) {
	if charset == unicode.UTF8 {
		return string(raw), utf8.Valid(raw)
	}
	decoded, err := charset.NewDecoder().Bytes(raw)
	ok = err == nil && !bytes.ContainsRune(decoded, utf8.RuneError) // a decoder writes U+FFFD for what it cannot read
	return string(decoded), ok
}

// marked returns the charset that a byte order mark names, or that the first character of JSON or XML shows to be UTF-16; nil
// where there is neither.
func marked(body []byte) encoding.Encoding {
	if len(body) < 2 {
		return nil
	}
	switch first, second := body[0], body[1]; {
	case bytes.HasPrefix(body, []byte(byteOrderMark)):
		return unicode.UTF8
	case first == 0xfe && second == 0xff, first == 0 && strings.IndexByte("{[<", second) >= 0:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case first == 0xff && second == 0xfe, second == 0 && strings.IndexByte("{[<", first) >= 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	return nil
}

var xmlDeclaration = regexp.MustCompile(`^\s*<\?xml(?:\s[^>]*?)?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']`)

// declared returns the charset that an XML declaration names (https://www.w3.org/TR/xml/#charencoding); nil where there is none.
func declared(body []byte) encoding.Encoding {
	start := body[:min(len(body), 256)]
	if !bytes.HasPrefix(bytes.TrimLeft(start, "\t\n\f\r "), []byte("<?xml")) {
		return nil
	}
	return namedIn(start, xmlDeclaration)
}

// mostPrescan is how far into a page its charset may stand (https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding).
const mostPrescan = 1024

var htmlCharset = regexp.MustCompile(`(?i)<meta\s[^>]*?charset\s*=\s*["']?\s*([a-z][a-z0-9._:-]*)`)

// declaredHTML returns the charset that the first meta element of HTML names; nil where there is none.
func declaredHTML(body []byte) encoding.Encoding {
	return namedIn(body[:min(len(body), mostPrescan)], htmlCharset)
}

// namedIn returns the charset whose name is the group of a pattern in text; nil where there is none. One that can be read here is not
// in UTF-16, whatever it says.
func namedIn(text []byte, pattern *regexp.Regexp) encoding.Encoding {
	parts := pattern.FindSubmatch(text)
	if parts == nil {
		return nil
	}
	charset := charsetOf(string(parts[1]))
	if charset == nil || isWide(charset) {
		return nil
	}
	return charset
}

// isWide reports whether ASCII reads as something else in a charset, as in UTF-16.
func isWide(charset encoding.Encoding) bool {
	const ascii = "a"
	text, err := charset.NewDecoder().String(ascii)
	return err != nil || text != ascii
}

// isUTF8 reports whether text is UTF-8 without a NUL, as half of each ASCII character in UTF-16 is. Decoded as UTF-16, it would hide the
// secrets in it from whoever looks for them, but not from whoever encodes it again.
func isUTF8(text []byte) bool { return bytes.IndexByte(text, 0) < 0 && utf8.Valid(text) }

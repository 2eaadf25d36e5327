// Package cloudevent is CloudEvents 1.0 as the bridge makes them: attributes that are text, and data that is JSON. It writes them in both
// content modes, byte for byte as the CloudEvents SDK does, and reads none: the SDK does that. It imports the standard library and jsontext
// alone. Nothing here knows of CRMs or NATS.
package cloudevent

import (
	"errors"
	"net/url"
	"strings"
	"time"
)

// Event is a CloudEvent.
type Event struct {
	ID         string
	Source     string // a URI reference; Reference returns one
	Type       string
	Subject    string      // empty: none
	DataSchema string      // an absolute URI; empty: none
	Time       time.Time   // zero: none
	Extensions []Extension // by name, in order
	Data       []byte      // JSON; nil: none
}

// Extension is an attribute beside those of the specification. Its name consists of a-z and 0-9.
type Extension struct{ Name, Value string }

// Extension returns the value of an extension; empty if the event does not have it.
func (e *Event) Extension(name string) string {
	for _, of := range e.Extensions {
		if of.Name == name {
			return of.Value
		}
	}
	return ""
}

// Validate returns an error that names the first attribute which CloudEvents does not accept. Data, and the names of extensions, are not
// checked.
func (e *Event) Validate() error {
	switch {
	case isBlank(e.ID):
		return errors.New("the event's id is empty")
	case isBlank(e.Type):
		return errors.New("the event's type is empty")
	case isBlank(e.Source):
		return errors.New("the event's source is empty")
	case e.Subject != "" && isBlank(e.Subject):
		return errors.New("the event's subject is white space")
	case !isReference(e.Source):
		return errors.New("the event's source is not a URI reference")
	case e.DataSchema != "" && !isAbsolute(e.DataSchema):
		return errors.New("the event's dataschema is not an absolute URI")
	}
	return nil
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func isReference(text string) bool {
	if isPlain(text) {
		return true
	}
	_, err := url.Parse(text)
	return err == nil
}

func isAbsolute(text string) bool {
	if isPlain(text) {
		return text[0] != '/'
	}
	parsed, err := url.Parse(text)
	return err == nil && parsed.IsAbs()
}

// Reference returns a URI reference with percent signs in place of what a URI cannot contain.
func Reference(text string) (string, error) {
	if isPlain(text) {
		return text, nil
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return "", errors.New("not a URI reference")
	}
	return parsed.String(), nil
}

// isPlain reports whether a text is a URI, or a path, that package url would parse and write again unchanged. Most are; others may be too.
func isPlain(text string) bool {
	rest, isURN := strings.CutPrefix(text, "urn:")
	if !isURN {
		var isURL bool
		if rest, isURL = strings.CutPrefix(text, "https://"); !isURL {
			rest, isURL = strings.CutPrefix(text, "http://")
		}
		if isURL == strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "//") {
			return false
		}
	}
	for i := range len(rest) {
		if b := rest[i]; !isUnreserved[b] && (b != '/' || isURN) && (b != ':' || !isURN) {
			return false
		}
	}
	return rest != ""
}

// isUnreserved has the bytes that mean nothing but themselves anywhere in a URI (RFC 3986, 2.3).
var isUnreserved = func() (set [256]bool) {
	for _, b := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		set[b] = true
	}
	return set
}()

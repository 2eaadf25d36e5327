package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
)

// ParseEndpoint reads the URL of an endpoint. Its error does not show it.
func ParseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("not an http or https URL")
	}
	u.Fragment = ""
	return u, nil
}

// ShownEndpoint returns a URL without what may be secret in it: user, password, path and query.
func ShownEndpoint(u *url.URL) string {
	text := u.Scheme + "://" + u.Host
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		text += "/***"
	}
	return text
}

// EndpointName distinguishes endpoints without showing more of one than ShownEndpoint. User, password and query are not part
// of it: they change when a secret is rotated.
func EndpointName(u *url.URL) string {
	sum := sha256.Sum256([]byte(u.EscapedPath()))
	return u.Scheme + "://" + u.Host + "/***" + hex.EncodeToString(sum[:4])
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// ParseHeader reads the header of every post: "Name: value" lines. Its errors do not show a value.
func ParseHeader(text string) (http.Header, error) {
	header := http.Header{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !headerName.MatchString(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, fmt.Errorf("line %d is not of the form Name: value", n)
		}
		if isEventHeader(strings.ToLower(name)) {
			return nil, fmt.Errorf("line %d: that header comes from the event", n)
		}
		header.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
	}
	return header, nil
}

// isEventHeader reports whether a replay sets a header itself.
func isEventHeader(name string) bool {
	switch name {
	case "content-type", "content-length", "transfer-encoding", "connection":
		return true
	}
	return strings.HasPrefix(name, "ce-")
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// parseEndpoint reads the URL of an endpoint. Its errors do not show it.
func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: --to must be stdout, subject, or an http or https URL", errUsage)
	}
	u.Fragment = ""
	return u, nil
}

// shownEndpoint is a URL without what may be secret in it: user, password, path and query.
func shownEndpoint(u *url.URL) string {
	text := u.Scheme + "://" + u.Host
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		text += "/***"
	}
	return text
}

// endpointOf tells endpoints apart without showing more of one than shownEndpoint. User, password and query are not part
// of it: they change when a secret is rotated.
func endpointOf(u *url.URL) string {
	sum := sha256.Sum256([]byte(u.EscapedPath()))
	return u.Scheme + "://" + u.Host + "/***" + hex.EncodeToString(sum[:4])
}

// newPost makes a POST that the HTTP client may send again on another connection where the first proves to be closed.
func newPost(ctx context.Context, to string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	return request, nil
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// readHeaders reads the headers of every post from a file: "Name: value" lines. Its errors do not show a value.
func readHeaders(path string) (http.Header, error) {
	header := http.Header{}
	if path == "" {
		return header, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--header-file cannot be read: %w", config.WithoutPath(err))
	}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !headerName.MatchString(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, fmt.Errorf("--header-file: line %d is not of the form Name: value", n)
		}
		if err := free(name); err != nil {
			return nil, fmt.Errorf("--header-file: line %d: %w", n, err)
		}
		header.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
	}
	return header, nil
}

// free reports whether a header is not one that the replay itself sets.
func free(name string) error {
	switch name = strings.ToLower(name); {
	case strings.HasPrefix(name, "ce-"), name == "content-type", name == "content-length", name == "transfer-encoding", name == "connection":
		return errors.New("that header comes from the event")
	}
	return nil
}

package zoho

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime/multipart"
	"strings"

	"golang.org/x/text/encoding"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// secretParam is the parameter that authenticates a webhook.
const secretParam = "secret"

func isSecret(name string) bool { return name == secretParam }

var byteOrderMark = []byte("\xef\xbb\xbf")

// maxParts bounds the accepted parts of a multipart body, and maxSought those that are searched for the secret.
const (
	maxParts  = 1000
	maxSought = 5 * maxParts
)

// readMultipart reads a multipart form; outer is the charset of parts that name none (nil: UTF-8). With an error, which wraps
// ErrMalformed, it returns the parts that could be read, even if the header names another boundary.
func readMultipart(body []byte, boundary string, outer encoding.Encoding) (body.Params, error) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if boundary == "" {
		form, _ := readParts(body, firstBoundary(body), outer)
		return form, fmt.Errorf("%w: the multipart body names no boundary", ingest.ErrMalformed)
	}
	form, err := readParts(body, boundary, outer)
	if own := firstBoundary(body); err != nil && len(form) == 0 && own != boundary {
		form, _ = readParts(body, own, outer)
	}
	return form, err
}

// firstBoundary returns the boundary in the first line of a multipart body; empty where there is none.
func firstBoundary(body []byte) string {
	line, _, _ := strings.Cut(string(body[:min(len(body), 100)]), "\n")
	boundary, found := strings.CutPrefix(strings.TrimRight(line, "\r \t"), "--")
	if !found {
		return ""
	}
	return boundary
}

func readParts(body []byte, boundary string, outer encoding.Encoding) (form body.Params, bad error) {
	broken := fmt.Errorf("%w: the multipart body is broken", ingest.ErrMalformed)
	tooManyParts := fmt.Errorf("%w: the multipart body has more than %d parts", ingest.ErrMalformed, maxParts)
	if boundary == "" {
		return nil, broken
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxSought {
		part, err := reader.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped it means that the body ended before its last boundary
			return form, bad
		}
		if err != nil {
			return form, cmp.Or(bad, broken)
		}
		if len(form) >= maxParts {
			bad = cmp.Or(bad, tooManyParts)
			if len(form) >= 2*maxParts || !isSecret(part.FormName()) {
				continue
			}
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return form, cmp.Or(bad, broken)
		}
		param, err := readPart(part, content, outer)
		form, bad = append(form, param), cmp.Or(bad, err)
	}
	return form, cmp.Or(bad, tooManyParts)
}

func readPart(part *multipart.Part, content []byte, outer encoding.Encoding) (body.Param, error) {
	_, _, charset, _ := body.Content(part.Header.Get("Content-Type")) // an unknown one counts as absent
	if charset == nil {
		charset = outer
	}
	value, err := body.Text(content, charset)
	name := []byte(part.FormName())
	plain, unreadable := body.Text(name, nil)
	if unreadable != nil && outer != nil {
		plain, unreadable = body.Text(name, outer)
	}
	return body.Param{Name: plain, Value: value}, cmp.Or(err, unreadable)
}

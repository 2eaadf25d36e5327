package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// NewRequest returns a request for JSON, with send as its JSON body; nil: it has none. Its error does not show the URL.
func NewRequest(ctx context.Context, method, url string, send any) (*http.Request, error) {
	var content io.Reader
	if send != nil {
		raw, err := json.Marshal(send)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, errors.New("the URL of the API is not valid")
	}
	request.Header.Set("Accept", "application/json")
	if send != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

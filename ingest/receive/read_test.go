package receive_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// closable notes whether a body was closed.
type closable struct {
	*strings.Reader
	closed bool
}

func (c *closable) Close() error {
	c.closed = true
	return nil
}

// A whole body is closed, so that net/http does not look for more of it. One that is too large is not: net/http would end the connection.
func TestBodyIsClosed(t *testing.T) {
	for text, closed := range map[string]bool{"ok": true, "malformed": true, strings.Repeat("x", 101): false} {
		b := open(func(h *receive.Handler) { h.MaxBody = 100 })
		body := &closable{Reader: strings.NewReader(text)}
		request := httptest.NewRequest(http.MethodPost, "/plain/Deals", body)
		b.HTTP().ServeHTTP(httptest.NewRecorder(), request)
		if body.closed != closed {
			t.Errorf("a body of %d bytes: closed %t", len(text), body.closed)
		}
	}
}

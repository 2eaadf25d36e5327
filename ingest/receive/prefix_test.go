package receive_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// A proxy may keep the path of a public URL or remove it: the same route answers, and a source sees the URL as the sender wrote it.
func TestPathOfAPublicURL(t *testing.T) {
	for path, want := range map[string]struct {
		status int
		module string
	}{
		"/plain/Deals?a=%2F":           {200, "Deals"},
		"/hooks/plain/Deals?a=%2F":     {200, "Deals"},
		"/a%20b/c/plain/Deals":         {200, "Deals"},
		"/hooks/plain/Sales%5FOrders":  {200, "Sales_Orders"},
		"/hooks/plain/a%2Fb":           {200, "a/b"},
		"/plain/plain/Deals":           {200, "Deals"}, // below /plain
		"/plain/plain":                 {200, "plain"}, // a route as it is
		"/hooksplain/Deals":            {404, ""},
		"/other/plain/Deals":           {404, ""},
		"/hooks/hooks/plain/Deals":     {404, ""},
		"/hooks/other":                 {404, ""},
		"/hooks":                       {404, ""},
		"/hooks/documents/a":           {405, ""}, // is read
		"http://host/hooks/plain/Lead": {200, "Lead"},
	} {
		uri, module := "", ""
		b := open(func(h *receive.Handler) {
			h.Prefixes = []string{"/hooks", "/a%20b/c", "/plain"}
			h.Sources = []ingest.Source{seeing{see: func(cb ingest.Callback) { uri, module = cb.URI, cb.Params["module"] }}}
			h.Public = map[string]receive.PublicFile{"/documents/{name}": func(string) (http.Header, []byte, bool) { return nil, nil, true }}
		})
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader("x"))
		response := httptest.NewRecorder()
		b.HTTP().ServeHTTP(response, request)
		if response.Code != want.status || module != want.module {
			t.Errorf("%s: %d, module %q", path, response.Code, module)
		}
		if want.status == 200 && strings.HasPrefix(path, "/") && uri != path {
			t.Errorf("%s: the source saw %s", path, uri)
		}
	}
}

// seeing is a source that shows the callbacks that it verifies.
type seeing struct {
	plain
	see func(ingest.Callback)
}

func (s seeing) Verify(_ context.Context, cb ingest.Callback) error {
	s.see(cb)
	return nil
}

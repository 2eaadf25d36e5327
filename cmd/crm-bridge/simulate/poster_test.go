package simulate

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// signing signs as plainly as possible: the header holds what is signed.
type signing struct{ ingest.Source }

func (signing) Sign(cb *ingest.Callback, url, token string) error {
	cb.Header.Set("X-Signed", token+" "+url+" "+string(cb.Body))
	return nil
}

// A callback whose CRM signs is signed for the URL and with the body that are sent, also where the body is that of a file.
func TestSignedLast(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if signed := r.Header.Get("X-Signed"); signed == "t http://"+r.Host+r.RequestURI+" "+string(body) {
			got = string(body)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	sender := &Poster{Client: server.Client(), URL: server.URL + "/below/", Source: signing{bridge.Known()[0].Sources[0]}, Token: "t", Out: io.Discard}
	cb := ingest.Callback{Method: http.MethodPost, Path: "/acme", Query: url.Values{"a": {"/"}}, Header: http.Header{}, Body: []byte("of a file")}
	if err := sender.Post(t.Context(), cb); err != nil {
		t.Fatal(err)
	}
	if got != "of a file" {
		t.Errorf("signed wrongly: %q", got)
	}
}

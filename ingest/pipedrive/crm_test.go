package pipedrive_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// configured returns a setup with variables as the environment would set them.
func configured(t *testing.T, state ingest.State, publicURL string, set func(*pipedrive.Config)) ingest.Setup {
	t.Helper()
	setup := ingest.Setup{
		Env:        func(into any) error { set(into.(*pipedrive.Config)); return nil },
		MadeSecret: func(name string) (string, error) { return "", nil },
		State:      state, Log: slog.New(slog.DiscardHandler),
	}
	if publicURL != "" {
		setup.PublicURLs = []string{publicURL}
	}
	return setup
}

// Pipedrive satisfies what every CRM must.
func TestCRM(t *testing.T) {
	crm, err := pipedrive.Open(configured(t, ingest.State{}, "", func(c *pipedrive.Config) {
		c.Pipedrive.Password, c.Pipedrive.API.Token = ingest.SecretList{password, older}, apiToken
	}))
	if err != nil {
		t.Fatal(err)
	}
	header := func(credentials string) http.Header {
		return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Basic " + credentials}}
	}
	genuine := ingesttest.Genuine{Method: "POST", Target: "/pipedrive/webhooks", Header: header(basic), Secrets: []string{basic, password}}
	suite := ingesttest.Suite{CRM: crm, Lister: lister}
	for _, name := range []string{"deal-change", "person-delete-merged", "lead-create", "deal-product-change-numbers"} {
		genuine.Name, genuine.Body = name, read(t, name+".json")
		suite.Genuine = append(suite.Genuine, genuine)
	}
	const olderBasic = "Y3JtLWJyaWRnZTp0aGUtb2xkZXItcGFzc3dvcmQ="
	suite.Genuine = append(suite.Genuine, ingesttest.Genuine{
		Name: "secrets everywhere", Method: "POST", Target: "/pipedrive/webhooks", Header: header(olderBasic),
		Body: []byte(`{"meta":{"version":"2.0","action":"change","entity":"deal","entity_id":"1","company_id":"7","webhook_id":"5","api_token":"planted-token",
			"host":"https://x.example/?api_token=` + apiToken + `"},
			"data":{"id":1,"note":"` + password + ` and ` + olderBasic + `","Authorization":"Basic ` + basic + `"},
			"previous":{"` + older + `":"` + apiToken + `","note":"s3cret\u003awith-colon"},"authorization":"planted-authorization"}`),
		Secrets: []string{olderBasic, older, password, basic, apiToken, "planted-token", "planted-authorization", "u003awith-colon"},
	})
	ingesttest.Run(t, suite)
}

// lister lists the record of an example.
func lister(_ *testing.T, s schemas.Change) ingest.Lister {
	list := map[string]string{"deal": "/api/v2/deals", "lead": "/v1/leads"}[s.Module]
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/webhooks":
			_, _ = fmt.Fprintf(w, `{"success":true,"data":[{"id":1,"company_id":%s}]}`, s.Account)
		case r.URL.Path == list && strings.Contains(r.URL.RawQuery, "status=deleted") == (s.Operation == schemas.Delete):
			_, _ = fmt.Fprintf(w, `{"success":true,"data":[%s],"additional_data":{"next_cursor":null}}`, s.Native.Body)
		default:
			_, _ = io.WriteString(w, `{"success":true,"data":[]}`)
		}
	})
	return &pipedrive.Records{Client: &pipedrive.Client{HTTP: &http.Client{Transport: ingesttest.Direct(api)}, URL: "https://api.pipedrive.com", Token: apiToken}}
}

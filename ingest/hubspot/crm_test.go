package hubspot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

const (
	secret      = "own-test-secret-0001"
	accessToken = "pat-na1-0f0e0d0c-1111-4222-8333-abcdefabcdef"
	public      = "https://crm.example.com"
	path        = "/hubspot/webhooks"
)

// setup is a Setup whose environment set fills.
func setup(set func(*hubspot.Config)) ingest.Setup {
	return ingest.Setup{
		Env: func(into any) error {
			if set != nil {
				set(into.(*hubspot.Config))
			}
			return nil
		},
		MadeSecret: func(name string) (string, error) { return "made for " + name, nil },
		PublicURLs: []string{public},
		Log:        slog.New(slog.DiscardHandler),
	}
}

// open opens HubSpot with an app's secrets and an access token.
func open(t testing.TB, more ...func(*hubspot.Config)) *ingest.CRM {
	t.Helper()
	crm, err := hubspot.Open(setup(func(c *hubspot.Config) {
		c.Hubspot.ClientSecret = ingest.SecretList{secret, "the-old-secret-0002"}
		c.Hubspot.AccessToken = hubspot.AccessTokens{"": accessToken}
		for _, set := range more {
			set(c)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return crm
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// signed is the header of a callback that was signed now.
func signed(key, target string, body []byte) http.Header {
	timestamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set("X-HubSpot-Request-Timestamp", timestamp)
	header.Set("X-HubSpot-Signature-v3", hubspot.Signature(key, http.MethodPost, public+target, timestamp, body))
	return header
}

// HubSpot satisfies what every CRM must.
func TestCRM(t *testing.T) {
	genuine := func(name, key, target string, body []byte, planted ...string) ingesttest.Genuine {
		header := signed(key, target, body)
		return ingesttest.Genuine{
			Name: name, Method: http.MethodPost, Target: target, Header: header, Body: body,
			Secrets: append([]string{header.Get("X-HubSpot-Signature-v3")}, planted...),
		}
	}
	ingesttest.Run(t, ingesttest.Suite{
		CRM: open(t), Lister: lister,
		Genuine: []ingesttest.Genuine{
			genuine("a list", secret, path, read(t, "webhook-batch.json")),
			genuine("a list of everything else", "the-old-secret-0002", path, read(t, "webhook-special.json")),
			genuine("secrets everywhere", secret, path+"?api_key=planted-in-the-url", []byte(`[{"eventId":1,"subscriptionId":2,"portalId":3,"occurredAt":1796040000123,
				"subscriptionType":"contact.propertyChange","objectId":4,"propertyName":"notes","sourceId":"userId:`+accessToken+`",
				"propertyValue":"own\u002dtest-secret-0001, the-old-secret-0002, `+accessToken+` and pat-eu1-0a0b0c0d-1111-4222-8333-000000000001",
				"`+secret+`":"x"},{"portalId":"`+secret+`"}]`), secret, "own\\u002dtest-secret-0001", "the-old-secret-0002", accessToken,
				"0a0b0c0d-1111-4222-8333-000000000001", "planted-in-the-url"),
		},
	})
}

// lister lists the record of an example.
func lister(t *testing.T, s schemas.Change) ingest.Lister {
	t.Helper()
	setup := setup(func(c *hubspot.Config) {
		c.Hubspot.AccessToken, c.Hubspot.Portals = hubspot.AccessTokens{"": accessToken}, ingest.AccountIDs{s.Account}
	})
	setup.State = ingesttest.State()
	crm, err := hubspot.Open(setup)
	if err != nil {
		t.Fatal(err)
	}
	hubspot.SetHTTP(crm, &http.Client{Transport: ingesttest.Direct(listing(s))})
	return crm.Lister
}

// listing is HubSpot's API with one record.
func listing(s schemas.Change) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch deleted := s.Operation == schemas.Delete; {
		case strings.HasSuffix(r.URL.Path, "/details"):
			_, _ = fmt.Fprintf(w, `{"portalId":%s}`, s.Account)
		case strings.HasPrefix(r.URL.Path, "/crm/properties/"):
			_, _ = io.WriteString(w, `{"results":[{"name":"email"}]}`)
		case deleted == (r.URL.Query().Get("archived") == "true"):
			_, _ = fmt.Fprintf(w, `{"total":1,"results":[%s]}`, s.Native.Body)
		default:
			_, _ = io.WriteString(w, `{"total":0,"results":[]}`)
		}
	})
}

// callback is a callback with a body.
func callback(body string) ingest.Callback {
	return ingest.Callback{
		Source: hubspot.WebhooksLabel, At: time.Date(2026, 11, 30, 12, 0, 1, 0, time.UTC), Method: http.MethodPost, Path: path, URI: path,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body),
	}
}

// indented is JSON as people read it.
func indented(t *testing.T, value any) []byte {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

package zoho_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Zoho CRM satisfies what every CRM must.
func TestCRM(t *testing.T) {
	notifications, hooks := source(), webhooks()
	crm, err := zoho.Open(ingest.Setup{Env: func(into any) error {
		config := &into.(*zoho.Config).Zoho
		config.Account, config.Tokens, config.TokenSecret = notifications.Account, notifications.Tokens, notifications.TokenSecrets
		config.WebhookSecret, config.WebhookIDParams = hooks.Accepted, hooks.IDParams
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	channel := "1745564708612968000"
	derived := zoho.ChannelToken("the-new-master-secret", "77")
	proof := zoho.ChannelProof("the-new-master-secret", channel)
	ingesttest.Run(t, ingesttest.Suite{
		CRM: crm, Lister: lister,
		Genuine: []ingesttest.Genuine{
			{
				Name: "version 2", Method: "POST", Target: "/zoho/notifications", Body: read(t, "notification-v2-update.json"),
				Secrets: []string{"TOKEN_FOR_VERIFICATION_OF_1000000000045"},
			},
			{
				Name: "version 7", Method: "POST", Target: "/zoho/notifications", Body: read(t, "notification-v7-update-values.json"),
				Secrets: []string{"TOKEN_FOR_VERIFICATION_OF_1000000068001"},
			},
			{
				Name: "null token", Method: "POST", Target: "/zoho/notifications?channel=" + channel + "&proof=" + proof,
				Body: read(t, "notification-v7-delete-null-token.json"), Secrets: []string{proof},
			},
			{
				Name: "secrets everywhere", Method: "POST", Target: "/zoho/notifications?x=1",
				Header: http.Header{"Authorization": {"Bearer planted-header-secret"}},
				Body: []byte(`{"module":"Deals","operation":"update","ids":["1"],"channel_id":"77","token":"` + derived + `",
					"resource_uri":"https://user:planted-password@www.zohoapis.com/crm/v2/Deals?authorization=Zoho-oauthtoken 1000.23dnsbbbh455jnn",
					"query_params":{"Authorization":"Zoho-oauthtoken 1000.planted-oauth","api_key":"planted-key","my_secret":"planted-secret","key1":"` + derived + `"},
					"server_time":1,"extra":{"access_token":"planted-access","note":"see ` + derived + ` and the-new-master-secret"},
					"` + derived + `":1,
					"affected_values":[{"record_id":"1","values":{"Link":"https://x.example/?authorization=planted-link&a=b","Hint":"the\u002dnew-master-secret"}}]}`),
				Secrets: []string{
					derived, "planted-header-secret", "1000.23dnsbbbh455jnn", "planted-oauth", "planted-key", "planted-secret",
					"planted-access", "the-new-master-secret", "planted-link", "planted-password",
				},
			},

			{Name: "query", Method: "GET", Target: "/zoho/webhooks/Deals/closed?id=1&secret=the-webhook-secret", Secrets: []string{webhookSecret}},
			{
				Name: "form", Method: "POST", Target: "/zoho/webhooks/Deals/closed", Header: http.Header{"Content-Type": {form}},
				Body: []byte("id=1&secret=the-webhook-secret&note=again+the-webhook-secret"), Secrets: []string{webhookSecret},
			},
			{
				Name: "multipart", Method: "POST", Target: "/zoho/webhooks/Deals/closed", Header: http.Header{"Content-Type": {"multipart/form-data; boundary=xyz"}},
				Body: []byte(multipartBody), Secrets: []string{webhookSecret},
			},
			{
				Name: "JSON and header", Method: "PUT", Target: "/zoho/webhooks/Deals/closed", Header: http.Header{"Content-Type": {"application/json"}, "X-Webhook-Secret": {webhookSecret}},
				Body: []byte(`{"id":"1","url":"https://x/?authorization=planted-authorization","note":"the\u002dwebhook-secret"}`), Secrets: []string{webhookSecret, "planted-authorization"},
			},
			{
				Name: "XML and bearer", Method: "POST", Target: "/zoho/webhooks/Deals/closed", Header: http.Header{"Content-Type": {"text/xml"}, "Authorization": {"Bearer " + webhookSecret}},
				Body: []byte(`<a><id>1</id><key>the-webhook-secret</key></a>`), Secrets: []string{webhookSecret},
			},
			{
				Name: "text", Method: "POST", Target: "/zoho/webhooks/Deals/closed?secret=the-webhook-secret", Header: http.Header{"Content-Type": {"text/plain"}},
				Body: []byte(`the-webhook-secret and Zoho-oauthtoken 1000.planted-oauth`), Secrets: []string{webhookSecret, "planted-oauth"},
			},
		},
	})
}

// lister lists the record of an example.
func lister(_ *testing.T, s schemas.Change) ingest.Lister {
	api := &zoho.Client{
		HTTP: &http.Client{Transport: ingesttest.Direct(listing(s))}, TokenURL: "https://accounts.zoho.com/oauth/v2/token", APIURL: "https://www.zohoapis.com",
		Version: "v8", State: ingesttest.State(), Log: slog.New(slog.DiscardHandler),
	}
	return &zoho.Channels{Client: api, Account: s.Account}
}

// listing is Zoho's API with one record.
func listing(s schemas.Change) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		deleted := strings.HasSuffix(r.URL.Path, "/deleted")
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"access_token":"an-access-token","expires_in":3600,"token_type":"Bearer"}`)
		case strings.HasSuffix(r.URL.Path, "/fields"):
			_, _ = io.WriteString(w, `{"fields":[{"api_name":"id"}]}`)
		case deleted == (s.Operation == schemas.Delete):
			_, _ = fmt.Fprintf(w, `{"data":[%s],"info":{"more_records":false}}`, s.Native.Body)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

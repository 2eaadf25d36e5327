package bitrix24_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Bitrix24 satisfies what every CRM must.
func TestCRM(t *testing.T) {
	crm, err := bitrix24.Open(configured())
	if err != nil {
		t.Fatal(err)
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=UTF-8"}}
	odd := func(plain string) string { return url.QueryEscape(plain) }
	const target = "/bitrix24/workflows/approved?secret=" + workflowSecret
	ingesttest.Run(t, ingesttest.Suite{
		CRM: crm, Lister: lister,
		Genuine: []ingesttest.Genuine{
			{
				Name: "documented", Method: "POST", Target: "/bitrix24/events", Body: read(t, "event-activity-update.json"),
				Secrets: []string{token, accessToken, refreshToken},
			},
			{
				Name: "on the wire", Method: "POST", Target: "/bitrix24/events", Header: form, Body: read(t, "event-contact-add.form"),
				Secrets: []string{token, "be45f0660000000000000000"},
			},
			{
				Name: "a form with secrets everywhere", Method: "POST", Header: form,
				Target: "/bitrix24/events?auth=planted-in-the-url&secret=planted-in-the-url&x=" + token,
				Body: []byte("AUTH%5BAPPLICATION_TOKEN%5D=" + token + "&auth%5bmember_id%5d=" + member +
					"&auth[acc%65ss_tok%65n]=planted-access&auth[refresh_token][0]=planted-refresh&auth[domain]=u:planted-access@some-domain.bitrix24.com" +
					"&data[FIELDS][ID]=1&data[FIELDS][LINK]=https://some-domain.bitrix24.com/rest/?auth=planted-access&data[FIELDS][access_token]=planted-field" +
					"&data[FIELDS][X][refresh_token]=planted-deep&note=" + odd(quoted) + "&" + token + "=1&authorization=planted-authorization&event=ONCRMDEALUPDATE"),
				Secrets: []string{
					token, "planted-access", "planted-refresh", "planted-field", "planted-deep", "planted-authorization", quoted, odd(quoted), "planted-in-the-url",
				},
			},
			{
				Name: "JSON with secrets everywhere", Method: "POST", Target: "/bitrix24/events",
				Header: http.Header{"Authorization": {"Bearer planted-header-secret"}, "Content-Type": {"application/x-www-form-urlencoded"}},
				Body: []byte("\ufeff" + ` {"Auth":{"Application_Token":"` + token + `","MEMBER_ID":"` + member + `","Access_Token":"` + accessToken + `",
					"REFRESH_TOKEN":"` + refreshToken + `","client_endpoint":"https://some-domain.bitrix24.com/rest/?auth=` + accessToken + `"},
					"data":{"FIELDS":{"ID":"1","LINK":"https://x.example/?access_token=planted-link-secret","HINT":"the ` + token + `","refresh_token":"planted-field"}},
					"event":"ONCRMDEALUPDATE","` + token + `":1}`),
				Secrets: []string{token, accessToken, refreshToken, "planted-header-secret", "planted-link-secret", "planted-field"},
			},
			{
				Name: "another token, escaped by the form", Method: "POST", Target: "/bitrix24/events", Header: form,
				Body:    []byte("auth[member_id]=quoted&auth[application_token]=" + odd(quoted) + "&event=ONCRMLEADDELETE&data[FIELDS][ID]=7"),
				Secrets: []string{odd(quoted), quoted},
			},

			{Name: "a deal", Method: "POST", Target: target, Header: form, Body: read(t, "workflow-deal.form"), Secrets: []string{workflowSecret}},
			{
				Name: "JSON", Method: "POST", Target: target, Header: http.Header{"Content-Type": {"application/json"}},
				Body: read(t, "workflow-dynamic-item.json"), Secrets: []string{workflowSecret, accessToken},
			},
			{
				Name: "secrets everywhere", Method: "POST", Target: target + "&access_token=planted-in-the-url&stage=the-old-workflow-secret", Header: form,
				Body: []byte("auth[application_token]=" + token + "&auth[access_token]=planted%2Daccess&auth%5Brefresh_token%5D=planted-refresh&secret=planted-secret" +
					"&note=the+old+one%3A+the-old-workflow-secret&link=https://x.example/?a=planted-access&the-old-workflow-secret=1" +
					"&document_id[0]=crm&document_id[1]=CCrmDocumentDeal&document_id[2]=DEAL_54"),
				Secrets: []string{
					workflowSecret, "the-old-workflow-secret", token, "planted-access", "planted%2Daccess", "planted-refresh", "planted-secret", "planted-in-the-url",
				},
			},
		},
	})
}

// lister lists the record of an example.
func lister(t *testing.T, s schemas.Change) ingest.Lister {
	t.Helper()
	var config bitrix24.Config
	c := &config.Bitrix24
	c.ClientID, c.ClientSecret, c.Portals, c.OauthURL = "local.app", "an-application-secret", ingest.AccountIDs{s.Account}, "https://oauth.bitrix.info"
	client := &http.Client{Transport: ingesttest.Direct(listing(s))}
	app, err := bitrix24.NewApplication(config, "", ingesttest.State(), client, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Prove(t.Context(), "ONAPPINSTALL", bitrix24.Installation{MemberID: s.Account, ApplicationToken: "a-token", RefreshToken: "a-refresh-token"}); err != nil {
		t.Fatal(err)
	}
	return app.Records
}

// listing is Bitrix24's OAuth server, and the API of a portal with one record.
func listing(s schemas.Change) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; {
		case strings.HasPrefix(r.URL.Path, "/oauth/"):
			_, _ = fmt.Fprintf(w, `{"access_token":"an-access-token","refresh_token":"the-next-refresh-token","expires_in":3600,"member_id":%q,"domain":"oauth.bitrix.info",
				"client_endpoint":"https://some-domain.bitrix24.com/rest/","server_endpoint":"https://oauth.bitrix.info/rest/","scope":"crm","status":"L"}`, s.Account)
		case strings.HasPrefix(method, "crm.type.list"):
			_, _ = io.WriteString(w, `{"result":{"types":[{"id":1,"entityTypeId":1032,"title":"A smart process"}]},"total":1}`)
		case strings.HasPrefix(method, "crm.activity.list"):
			_, _ = fmt.Fprintf(w, `{"result":[%s],"total":0}`, s.Native.Body)
		default:
			body, _ := io.ReadAll(r.Body)
			if row := string(s.Native.Body); s.Module == "DynamicItem" && !strings.Contains(string(body), "1032") || row == "" {
				_, _ = io.WriteString(w, `{"result":{"items":[]},"total":0}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"result":{"items":[%s]},"total":0}`, s.Native.Body)
		}
	})
}

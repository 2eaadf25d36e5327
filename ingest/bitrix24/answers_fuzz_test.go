package bitrix24_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
)

// Whatever the OAuth server and a portal answer, nothing panics or goes on without end, what is made of it is whole, and no
// error shows a token of ours.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{"result":{"process_id":"a1b2","events":[{"ID":"1","TIMESTAMP_X":"2026-09-17T12:32:31+02:00","EVENT_NAME":"ONCRMDEALUPDATE","EVENT_DATA":{"FIELDS":{"ID":"123"}},"EVENT_ADDITIONAL":{"user_id":"1"},"MESSAGE_ID":"b0c7f7c2a3f1e4d5c6b7a8f9e0d1c2b3"}]}}`,
		`{"result":{"process_id":null,"events":[{"ID":1,"TIMESTAMP_X":"","EVENT_NAME":"CATALOG.PRICE.ON.ADD","EVENT_DATA":false,"EVENT_ADDITIONAL":{"access_token":"x"},"MESSAGE_ID":1}]}}`,
		`{"result":[{"ID":"1","PROCESS_ID":"a1b2","ERROR":"0"}]}`,
		`{"result":[{"event":"ONCRMLEADADD","handler":"https:\/\/www.my-domain.com\/handler\/","auth_type":"0","offline":0},{"event":"ONCRMDEALADD","connector_id":"","offline":"1"}]}`,
		`{"result":{"items":[{"id":253,"createdTime":"2026-01-01T10:00:00+03:00","updatedTime":"2026-01-01T10:00:00+03:00","opportunity":1.10}]},"total":0}`,
		`{"result":[{"ID":"20","CREATED":"2020-09-27T13:26:55+03:00","LAST_UPDATED":"2021-03-21T20:28:24+03:00"}],"next":50,"total":1}`,
		`{"result":{"types":[{"entityTypeId":128},{"entityTypeId":"1032"}]},"total":2}`,
		`{"access_token":"a","refresh_token":"b","expires_in":3600,"client_endpoint":"https:\/\/portal.bitrix24.com\/rest\/","domain":"oauth.bitrix.info","member_id":"` + member + `"}`,
		`{"error":"expired_token","error_description":"The access token provided has expired."}`,
		`{"error":0,"error_description":["x"]}`, `[]`, ``, `<html>`, `{"result":null}`, `null`,
	} {
		for status := range uint8(4) {
			f.Add(status, body)
		}
	}
	const stored = `{"endpoint":"https://portal.bitrix24.com/rest/","access_token":"` + accessToken + `","refresh_token":"` + refreshToken + `","application_token":"` + token + `"}`
	wanted := bitrix24.Wanted{"ONCRMDEALUPDATE"}
	f.Fuzz(func(t *testing.T, status uint8, body string) {
		code := []int{200, 400, 401, 403}[status%4]
		secret := &memory{}
		if _, err := secret.Save(t.Context(), "bitrix24.credentials."+member, []byte(stored), 0); err != nil {
			t.Fatal(err)
		}
		client := &bitrix24.Client{
			ClientID: "local.1", ClientSecret: workflowSecret, Rate: 1e9, State: ingest.State{Shared: &memory{}, Secret: secret},
			HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
			})},
		}
		portals := []string{member}
		var errs []error
		_, err := (&bitrix24.Subscriptions{Client: client, Portals: portals, Events: wanted, Handler: handler}).Watch(t.Context(), client.State, func(ingest.Gap) error { return nil })
		errs = append(errs, err)
		err = (&bitrix24.Offline{Client: client, Portals: portals}).Drain(t.Context(), client.State, func(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			whole(t, changes)
			return make([]ingest.Ack, len(changes)), nil
		}, nil)
		errs = append(errs, err)
		for _, module := range []string{"Deal", "Activity", "DynamicItem"} {
			for page, err := range (&bitrix24.Records{Client: client, Portals: portals}).Changed(t.Context(), ingest.Query{Module: module}) {
				whole(t, page.Changes)
				errs = append(errs, err)
			}
		}
		errs = append(errs, (&bitrix24.Installations{Client: client, Portals: portals}).Install(t.Context(), bitrix24.Installation{
			MemberID: member, ApplicationToken: token, RefreshToken: refreshToken,
		}))
		for _, err := range errs {
			for _, secret := range []string{accessToken, refreshToken, token, workflowSecret} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("shows %q: %v", secret, err)
				}
			}
		}
	})
}

// whole fails unless changes can become events.
func whole(t *testing.T, changes []ingest.Change) {
	t.Helper()
	for _, change := range changes {
		if ingest.CheckModule(change.Module) != nil || change.Operation == "" || change.Account != member || !json.Valid(change.NativeBody) {
			t.Errorf("%+v", change)
		}
		for _, id := range change.IDs {
			if values, ok := change.Values[id]; ingest.CheckID(id) != nil || ok && !json.Valid(values) {
				t.Errorf("%+v", change)
			}
		}
	}
}

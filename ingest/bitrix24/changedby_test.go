package bitrix24

import (
	"encoding/json"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// The user of a queued event is who changed the record, if EVENT_ADDITIONAL names one, in any of the shapes that portals write.
func TestRowUser(t *testing.T) {
	for additional, want := range map[string]string{
		`{"user_id":"1"}`: "1", `{"user_id":17}`: "17", `{"user_id":"1","access_token":"x"}`: "1",
		`{"user_id":"0"}`: "", `{"user_id":""}`: "", `{"user_id":false}`: "", `{"user_id":null}`: "", `{"user_id":"undefined"}`: "", `{"user_id":{"id":1}}`: "",
		`{}`: "", `[]`: "", `false`: "", `null`: "", ``: "",
	} {
		row := `{"ID":"1","TIMESTAMP_X":"2026-09-17T12:32:31+02:00","EVENT_NAME":"ONCRMDEALUPDATE","EVENT_DATA":{"FIELDS":{"ID":"123"}},"MESSAGE_ID":"b0c7"`
		if additional != "" {
			row += `,"EVENT_ADDITIONAL":` + additional
		}
		table, err := openTable()
		if err != nil {
			t.Fatal(err)
		}
		_, change, err := decodeRow(json.RawMessage(row+"}"), table, "member", credentials{})
		if err != nil || change.ChangedBy != want {
			t.Errorf("of %s changed by %q, want %q: %v", additional, change.ChangedBy, want, err)
		}
	}
}

// Who changed a record is in it under a name that depends on its entity type and on the portal's version.
func TestRecordChangedBy(t *testing.T) {
	for row, want := range map[string]string{
		`"updatedBy":17`: "17", `"modifyById":"9"`: "9", `"MODIFY_BY_ID":"5"`: "5", `"updatedBy":17,"modifyById":9`: "17", `"updatedBy":0,"createdBy":3`: "", `"createdBy":3`: "", `"updatedBy":null`: "",
	} {
		checkChangedBy(t, shelf{"member", 2}, `{"id":351,"createdTime":"2026-10-01T10:00:00+03:00","updatedTime":"2026-11-20T12:30:31+03:00",`+row+`}`, want)
	}
	for row, want := range map[string]string{`"AUTHOR_ID":"3","EDITOR_ID":"9"`: "9", `"MODIFY_BY_ID":"5"`: "5", `"EDITOR_ID":"0"`: ""} {
		checkChangedBy(t, shelf{"member", activityType}, `{"ID":"20","CREATED":"2026-11-20T20:28:24+03:00","LAST_UPDATED":"2026-11-20T20:28:24+03:00",`+row+`}`, want)
	}
}

func checkChangedBy(t *testing.T, s shelf, row, want string) {
	t.Helper()
	page, _, err := s.changes(credentials{}, ingest.Query{}, []json.RawMessage{json.RawMessage(row)})
	if err != nil || len(page.Changes) != 1 || page.Changes[0].ChangedBy != want {
		t.Errorf("of %s: %+v, %v", row, page.Changes, err)
	}
}

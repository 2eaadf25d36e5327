package bitrix24

import "github.com/crm-bridge/crm-bridge/ingest"

// AccountOf implements ingest.NamesAccount: the member_id of the portal.
func (e *Events) AccountOf(cb ingest.Callback) string { return accountOf(cb) }

// AccountOf implements ingest.NamesAccount: the member_id of the portal, which the step of a workflow may leave out.
func (w *workflows) AccountOf(cb ingest.Callback) string { return accountOf(cb) }

func accountOf(cb ingest.Callback) string {
	body, _ := parse(cb) // of one that is broken, what could be read
	member, err := memberOf(body)
	if err != nil {
		return ""
	}
	return member
}

package bitrix24_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
)

// worst is the size of the bodies, half of what the bridge takes by default; tooLong is many times what one takes on a busy
// machine.
const (
	worst   = 512 << 10
	tooLong = 20 * time.Second
)

// counted joins what each makes of a number, so much of it.
func counted(each func(i int) string) string {
	var all strings.Builder
	for i := 0; all.Len() < worst; i++ {
		all.WriteString(each(i))
	}
	return all.String()
}

// A body of the worst shape, authenticated or not, is read, made an event of or quarantined at once: what grows with the
// square of its length would take minutes.
func TestWorkIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and on one goroutine")
	}
	const event = "event=ONCRMDEALADD&data[FIELDS][ID]=1"
	asJSON := func(more string) string {
		return `{"event":"ONCRMDEALADD","auth":{"member_id":"` + member + `","application_token":"` + token + `"},` + more + `}`
	}
	for name, body := range map[string]string{
		"parameters":             counted(func(i int) string { return fmt.Sprintf("a%d=1&", i/2) }) + event + proven,
		"brackets":               event + "&data[FIELDS]" + strings.Repeat("[a]", worst/3) + "=1" + proven,
		"open brackets":          event + "&data[FIELDS]" + strings.Repeat("[", worst) + "=1" + proven,
		"parameters of auth":     counted(func(i int) string { return fmt.Sprintf("auth[a%d]=1&", i) }) + event + proven,
		"member_ids":             counted(func(i int) string { return fmt.Sprintf("auth[member_id]=%d&", i) }) + event + proven,
		"document_ids":           counted(func(int) string { return "document_id[]=DEAL_1&" }) + event + proven,
		"percent signs":          event + "&a=" + strings.Repeat("%", worst) + proven,
		"an event without end":   "event=ONCRM" + strings.Repeat("A", worst) + proven,
		"members":                asJSON(`"data":{"FIELDS":{"ID":"1"` + counted(func(i int) string { return fmt.Sprintf(`,"F%d":%d`, i, i) }) + `}}`),
		"members of one name":    asJSON(`"data":{"FIELDS":{"ID":"1"` + counted(func(i int) string { return fmt.Sprintf(`,"F":%d`, i) }) + `}}`),
		"lists in lists":         asJSON(`"data":` + strings.Repeat("[", worst)),
		"objects in what is cut": `{"data":` + strings.Repeat(`{"data":`, worst/8),
	} {
		t.Run(name, func(t *testing.T) {
			for _, label := range []string{bitrix24.EventsLabel, bitrix24.WorkflowsLabel} {
				opener := map[string]func(ingest.Setup) (ingest.Source, error){bitrix24.EventsLabel: openEvents, bitrix24.WorkflowsLabel: openWorkflows}[label]
				s := open(t, opener)
				m := mapping(t, label, s)
				cb := workflowCallback("add", []byte(body), "secret="+workflowSecret)
				cb.Source = label
				started := time.Now()
				_ = s.Verify(t.Context(), cb)
				changes, err := s.Decode(cb)
				for _, change := range changes {
					_, err = m.Events(change)
				}
				if err != nil {
					_, err = m.Redact.Quarantine("id", cb, err)
				}
				if err != nil {
					t.Error(err)
				}
				if took := time.Since(started); took > tooLong {
					t.Errorf("%s took %s", label, took)
				}
			}
		})
	}
}

package zoho_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// worst is the size of the bodies, half of what the bridge takes by default.
const worst = 512 << 10

// counted joins what each makes of a number, so much of it.
func counted(each func(i int) string) string {
	var all strings.Builder
	for i := 0; all.Len() < worst; i++ {
		all.WriteString(each(i))
	}
	return all.String()
}

// tooLong is many times what a body takes on a busy machine.
const tooLong = 20 * time.Second

// A body of the worst shape, authenticated or not, is read, made an event of or quarantined at once: what grows with the
// square of its length would take minutes.
func TestWorkIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and on one goroutine")
	}
	list := func(each string) string {
		return strings.TrimSuffix(counted(func(i int) string { return strings.ReplaceAll(each, "#", fmt.Sprint(i)) + "," }), ",")
	}
	notification := func(more string) ingest.Callback {
		return callback([]byte(`{"module":"Deals","operation":"update","channel_id":"1000000068001","token":"an-older-token",`+more+`}`), "")
	}
	for name, cb := range map[string]ingest.Callback{
		"ids":                             notification(`"ids":[` + list(`"#"`) + `]`),
		"one id, again and again":         notification(`"ids":[` + list(`"1"`) + `]`),
		"values of one record":            notification(`"ids":["1"],"affected_values":[` + list(`{"record_id":"1","values":{"F#":#}}`) + `]`),
		"values of many records":          notification(`"ids":["1"],"affected_values":[` + list(`{"record_id":"#","values":{"F":#}}`) + `]`),
		"the same values of one record":   notification(`"ids":["1"],"affected_values":[` + list(`{"record_id":"1","values":{"F":#}}`) + `]`),
		"fields of one record":            notification(`"ids":["1"],"affected_fields":[` + list(`{"1":["F#"]}`) + `]`),
		"fields of many records":          notification(`"ids":["1"],"affected_fields":[{` + list(`"#":["F"]`) + `}]`),
		"members that nobody knows":       notification(`"ids":["1"],` + list(`"m#":#`)),
		"tokens":                          notification(`"ids":["1"],` + list(`"token":"t#"`)),
		"quotes and backslashes":          notification(`"ids":["1"],"a":"` + counted(func(int) string { return `\\\"` }) + `"`),
		"a broken body":                   callback([]byte(`{"token":`+strings.Repeat(`[{"`, worst/4)), ""),
		"ids of a webhook":                webhook("POST", "application/json", "", `{"id":[`+list(`"#"`)+`]}`),
		"ids of a webhook's form":         webhook("POST", form, "", counted(func(i int) string { return fmt.Sprintf("id=%d&", i) })),
		"parameters":                      webhook("POST", form, "", counted(func(i int) string { return fmt.Sprintf("p%d=&", i/2) })),
		"secrets":                         webhook("POST", form, "", counted(func(i int) string { return fmt.Sprintf("secret=s%d&", i) })),
		"secrets in a URL":                webhook("GET", "", counted(func(i int) string { return fmt.Sprintf("secret=s%d&", i) })[:60_000], ""),
		"secrets in broken JSON":          webhook("POST", "", "", `{`+list(`"secret":"s#"`)),
		"percent signs":                   webhook("POST", form, "", "a="+strings.Repeat("%", worst)),
		"bytes of no charset":             webhook("POST", form, "", "a="+strings.Repeat("%ff", worst/3)),
		"bytes of no charset, in another": webhook("POST", form+"; charset=shift_jis", "a="+strings.Repeat("%81", 10_000), "a="+strings.Repeat("%81", worst/3)),
		"parts":                           webhook("POST", "multipart/form-data; boundary=x", "", counted(func(int) string { return "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" })+"--x--"),
		"boundaries":                      webhook("POST", "multipart/form-data; boundary=x", "", counted(func(int) string { return "\r\n--x" })),
		"elements":                        webhook("POST", "text/xml", "", "<a>"+counted(func(i int) string { return fmt.Sprintf("<b%d/>", i) })+"</a>"),
		"elements of one name":            webhook("POST", "text/xml", "", "<a>"+strings.Repeat("<id>1</id>", worst/9)+"</a>"),
		"attributes":                      webhook("POST", "text/xml", "", "<a"+counted(func(i int) string { return fmt.Sprintf(" b%d=''", i) })+"></a>"),
		"elements in elements":            webhook("POST", "text/xml", "", strings.Repeat("<a>", worst/4)),
		"comments":                        webhook("POST", "text/xml", "", "<a>"+strings.Repeat("<!---->", worst/7)+"</a>"),
		"a document type":                 webhook("POST", "text/xml", "", "<!DOCTYPE a ["+strings.Repeat("<!--", worst/5)),
		"an XML declaration without end":  webhook("POST", "text/xml", "", "<?xml "+strings.Repeat(" encoding", worst/9)),
		"a Content-Type without end":      webhook("POST", "a/b"+strings.Repeat(";charset=x", 6_000), "", "a"),
		"lists in lists":                  webhook("POST", "", "", strings.Repeat("[", worst)),
		"commas":                          webhook("POST", "application/json", "", "{"+strings.Repeat(`,"`, worst/2)),
	} {
		t.Run(name, func(t *testing.T) {
			var s ingest.Source = source()
			m := mapping(t, s)
			if cb.Source == zoho.WebhooksLabel {
				s = webhooks()
				m = webhookMapping(t, s)
			}
			started := time.Now()
			_ = s.Verify(t.Context(), cb)
			changes, err := s.Decode(cb)
			decoded := time.Since(started)
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
				t.Errorf("took %s, of it %s before events were made", took, decoded)
			}
		})
	}
}

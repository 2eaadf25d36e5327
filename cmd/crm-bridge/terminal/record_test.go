package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish"
)

// state is a stored state of a record, with the members of its data that are given.
func state(sequence uint64, data string) publish.Stored {
	return publish.Stored{
		Subject: "crm-records.zoho.default.Deals.1", Sequence: sequence, At: time.Date(2026, 11, 30, 12, 0, int(sequence), 0, time.UTC),
		Header: map[string][]string{"content-type": {"application/cloudevents+json"}},
		Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"s","source":"/zoho","type":"crm.record.zoho.Deals","subject":"1","datacontenttype":"application/json",`+
			`"data":{"provider":"zoho","account":"default","module":"Deals","id":"1",%s}}`, data),
	}
}

// shownRecord is what a person sees of states, without the zone of their times.
func shownRecord(t *testing.T, states ...publish.Stored) string {
	t.Helper()
	var out bytes.Buffer
	if err := (&View{Out: &out}).Record(states); err != nil {
		t.Fatal(err)
	}
	shown := out.String()
	for second := range 9 {
		at := time.Date(2026, 11, 30, 12, 0, second, 0, time.UTC)
		shown = strings.ReplaceAll(shown, at.Local().Format(time.DateTime), "12:00:"+at.Format("05"))
	}
	return shown
}

const (
	created = `"operation":"create","before":null,"after":{"Stage":"New","Amount":12345678901234567890.10,"Owner":{"id": "7"},"Note":null},` +
		`"changed":["Amount","Note","Owner","Stage"],"modifiedAt":"2026-11-30T12:00:01Z","changedBy":"7","causes":[{"id":"e1","sequence":4}]`
	edited = `"operation":"edit","before":{"Stage":"New"},"after":{"Stage":"Won","Amount":5},"changed":["Amount","Stage"],"causes":[{"id":"e2","sequence":5},{"id":"e3","sequence":6}]`
	gone   = `"operation":"delete","before":{"Stage":"Won"},"after":null,"changed":["Stage"],"modifiedAt":"2026-11-30T12:00:03Z","changedBy":"8","causes":[]`
)

// A person sees the record as it is now, and then what each state changed.
func TestRecordIsShown(t *testing.T) {
	want := `zoho Deals 1, account default
last changed 12:00:02
  Stage   Won
  Amount  5
history:
12:00:01  create  #1  by 7
  event #4  e1
12:00:02  edit  #2
  Amount  –  →  5
  Stage   New  →  Won
  event #5  e2
  event #6  e3
`
	if diff := cmp.Diff(want, shownRecord(t, state(1, created), state(2, edited))); diff != "" {
		t.Error(diff)
	}
	want = `zoho Deals 1, account default
last changed 12:00:01  by 7
  Stage   New
  Amount  12345678901234567890.10
  Owner   {"id":"7"}
  Note    –
history:
12:00:01  create  #1  by 7
  event #4  e1
`
	if diff := cmp.Diff(want, shownRecord(t, state(1, created))); diff != "" {
		t.Error(diff)
	}
}

// Of a deleted record its deletion is shown, and what it was before.
func TestDeletedRecordIsShown(t *testing.T) {
	want := `zoho Deals 1, account default
deleted 12:00:03  by 8
history:
12:00:03  delete  #3  by 8
  Stage  Won  →  –
`
	if diff := cmp.Diff(want, shownRecord(t, state(3, gone))); diff != "" {
		t.Error(diff)
	}
}

// A message of another program is a line that says so, and hides no state.
func TestOddStateIsShown(t *testing.T) {
	odd := state(2, edited)
	odd.Data = []byte("{")
	shown := shownRecord(t, state(1, created), odd)
	if !strings.HasPrefix(shown, "history:\n12:00:01  create  #1") || !strings.Contains(shown, "\n#2  ") {
		t.Errorf("shows %s", shown)
	}
}

// Whatever a record holds, no line is wider than the terminal, and nothing in it commands one.
func TestRecordFitsTheTerminal(t *testing.T) {
	long := `{"` + strings.Repeat("N", 90) + `":"` + strings.Repeat("ä", 500) + `","B":"\u001b[2J\nb"}`
	shown := shownRecord(t, state(1, `"operation":"edit","changedBy":"\u001b7","before":`+strings.ReplaceAll(long, "ä", "ö")+`,"after":`+long+`,"changed":["`+strings.Repeat("N", 90)+`","B"],"causes":[{"id":"\u009b","sequence":1}]`))
	if strings.ContainsAny(shown, "\x1b\u009b") || !strings.Contains(shown, `\x1b[2J\nb`) {
		t.Errorf("shows %q", shown)
	}
	for line := range strings.Lines(shown) {
		if utf8.RuneCountInString(line) > 101 {
			t.Errorf("a line of %d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
}

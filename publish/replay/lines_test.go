package replay

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish"
)

// A line has the position of an event and holds it unchanged; for what is not an event it holds the error, and it is counted.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	to := NewLines(&out, func(error) string { return "no <event>" }, func(line []byte) []byte { return bytes.ToUpper(line) })
	m := message(7)
	m.At = time.Date(2026, 11, 1, 13, 0, 0, 5, time.FixedZone("CET", 3600))
	progress, err := to.Deliver(t.Context(), m)
	if diff := cmp.Diff(Report{At: 7, Counts: Tally{Read: 1, Events: 1}}, progress); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	m.Sequence, m.Data, m.Subject = 8, []byte("text"), "order\"s"
	progress, err = to.Deliver(t.Context(), m)
	if diff := cmp.Diff(Report{At: 8, Counts: Tally{Read: 1, NotEvents: 1}}, progress); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if out.Len() > 0 {
		t.Errorf("written before it was flushed: %s", out.String())
	}
	if _, err := to.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	want := `{"subject":"crm.zoho.Deals.edit","sequence":7,"storedAt":"2026-11-01T12:00:00.000000005Z","event":{"specversion":"1.0","id":"7","type":"t","source":"s"}}
{"subject":"order\"s","sequence":8,"storedAt":"2026-11-01T12:00:00.000000005Z","error":"no <event>"}
`
	if diff := cmp.Diff(strings.ToUpper(want), out.String()); diff != "" {
		t.Error(diff)
	}
}

// An event is selected by an id among its records and by its origin, by its own words and not by text that looks like them.
func TestSelection(t *testing.T) {
	event := func(origin, data string) publish.Stored {
		m := message(1)
		m.Data = []byte(`{"specversion":"1.0","id":"1","type":"t","source":"s","crmorigin":"` + origin + `","data":` + data + `}`)
		return m
	}
	for _, test := range []struct {
		selected Selection
		message  publish.Stored
		want     bool
	}{
		{Selection{}, publish.Stored{Data: []byte("no event")}, true},
		{Selection{Record: "12"}, publish.Stored{Data: []byte("12")}, false},
		{Selection{Record: "12"}, event("live", `{"ids":["11","12"]}`), true},
		{Selection{Record: "12"}, event("live", `{"ids":["123"],"x":"12"}`), false},
		{Selection{Record: "a/b"}, event("live", `{"ids":["a\/b"]}`), true},
		{Selection{Origin: "repair"}, event("repair", `{}`), true},
		{Selection{Origin: "repair"}, event("live", `{"crmorigin":"repair"}`), false},
		{Selection{Record: "12", Origin: "repair"}, event("live", `{"ids":["12"]}`), false},
	} {
		if got := test.selected.Matches(test.message); got != test.want {
			t.Errorf("%+v of %s: %t", test.selected, test.message.Data, got)
		}
	}
}

// A file holds one job, for one process at a time, under the name of the job.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "job")
	file, err := OpenFile(path)
	if err != nil || file.JobName() != "" {
		t.Fatalf("%q, %v", file.JobName(), err)
	}
	if job, err := Load(t.Context(), file, "one"); job != nil || err != nil {
		t.Errorf("an empty file holds %+v, %v", job, err)
	}
	if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
	job := &Job{Name: "one", At: 3, Store: file}
	if err := errors.Join(job.Save(t.Context()), file.Close()); err != nil {
		t.Fatal(err)
	}
	if file, err = OpenFile(path); err != nil || file.JobName() != "one" {
		t.Fatalf("%q, %v", file.JobName(), err)
	}
	defer func() { _ = file.Close() }()
	if job, err := Load(t.Context(), file, "one"); err != nil || job.At != 3 {
		t.Errorf("it holds %+v, %v", job, err)
	}
	if _, err := Load(t.Context(), file, "two"); err == nil || !strings.Contains(err.Error(), "job one, not of two") {
		t.Errorf("another job: %v", err)
	}
}

// A count is by subject, with events and other messages apart, and the times of the first and the last.
func TestCount(t *testing.T) {
	conn := openStream(t)
	sender := &publish.Replay{Conn: conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: "source"}
	none := message(3)
	none.Header = nil
	for _, m := range []publish.Stored{message(1), message(2), none} {
		sending, err := sender.Send(m, fmt.Sprint(m.Sequence))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sending.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	span, err := conn.OpenSpan(t.Context(), "CRM_REPLAY", nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	all, err := Count(t.Context(), span, Selection{}, func(n int) { read = n })
	if err != nil || read != 3 || len(all) != 1 || all[0].Events != 2 || all[0].NotEvents != 1 || all[0].First.After(all[0].Last) || span.HeadersOnly {
		t.Errorf("%d read, %+v: %v", read, all, err)
	}
}

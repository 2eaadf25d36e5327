package search_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// made is an event to publish: of a module, about a record.
type made struct {
	id, module, record, account string
	size                        int
}

// open returns a stream that holds events.
func open(t *testing.T, events ...made) *search.Stream {
	t.Helper()
	_, conn := publishtest.Open(t, nil)
	add(t, conn, events...)
	return &search.Stream{Conn: conn, Name: "CRM"}
}

func add(t *testing.T, conn *publish.Conn, events ...made) {
	t.Helper()
	var all []publish.Event
	for _, m := range events {
		e := publishtest.Event(m.id)
		e.Type = "crm.acme." + m.module + ".edit"
		e.Data = fmt.Appendf(nil, `{"provider":"acme","module":%q,"ids":[%q],"pad":%q}`, m.module, m.record, strings.Repeat("x", m.size))
		e.Extensions = []cloudevent.Extension{{Name: "crmaccount", Value: m.account}, {Name: "crmorigin", Value: "live"}}
		all = append(all, publish.Event{Event: e})
	}
	for part := range slices.Chunk(all, 500) {
		if _, err := publishtest.Publisher(conn).Publish(t.Context(), part...); err != nil {
			t.Fatal(err)
		}
	}
}

// many returns n events: every tenth of Leads, every hundredth about record rare.
func many(n int) (all []made) {
	for i := range n {
		m := made{id: fmt.Sprint("e", i+1), module: "Deals", record: fmt.Sprint("r", i), account: "default"}
		if (i+1)%10 == 0 {
			m.module = "Leads"
		}
		if (i+1)%100 == 0 {
			m.record, m.account = "rare", "emea"
		}
		all = append(all, m)
	}
	return all
}

// all returns the sequences of all pages of a query, each of which reads no more than it may.
func all(t *testing.T, s *search.Stream, q search.Query) (sequences []uint64, pages int) {
	t.Helper()
	for {
		page, err := s.Page(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if s.Scan > 0 && page.Scanned > s.Scan+500 {
			t.Errorf("a page read %d messages", page.Scanned)
		}
		for _, m := range page.Events {
			sequences = append(sequences, m.Sequence)
		}
		if pages++; page.Next == 0 || pages > 1000 {
			return sequences, pages
		}
		q.Next = page.Next
	}
}

func steps(first, last, step int) (all []uint64) {
	for i := first; step > 0 && i <= last || step < 0 && i >= last; i += step {
		all = append(all, uint64(i))
	}
	return all
}

// Each kind of query finds all of its events, each once and in order, whichever end it begins at and however many pages it takes.
func TestPages(t *testing.T) {
	s := open(t, many(1500)...)
	for name, test := range map[string]struct {
		q    search.Query
		step int
	}{
		"all":     {search.Query{}, 1},
		"subject": {search.Query{Subjects: []string{"crm.*.Leads.>"}}, 10},
		"record":  {search.Query{Selection: replay.Selection{Record: "rare"}}, 100},
		"account": {search.Query{Selection: replay.Selection{Account: "emea"}, Subjects: []string{"crm.>"}}, 100},
		"nothing": {search.Query{Selection: replay.Selection{Origin: "repair"}}, 5000},
	} {
		for _, scan := range []int{0, 400} {
			s.Scan = scan
			test.q.Oldest = true
			oldest, _ := all(t, s, test.q)
			if diff := cmp.Diff(steps(test.step, 1500, test.step), oldest); diff != "" {
				t.Errorf("%s, oldest first: %.500s", name, diff)
			}
			test.q.Oldest = false
			newest, _ := all(t, s, test.q)
			slices.Reverse(oldest)
			if diff := cmp.Diff(oldest, newest); diff != "" {
				t.Errorf("%s, newest first: %.500s", name, diff)
			}
		}
	}
}

// A page reads little where the server can count: the newest events of a subject that is rare among others.
func TestNewestOfASubjectAreReadAlone(t *testing.T) {
	s := open(t, many(3000)...)
	page, err := s.Page(t.Context(), search.Query{Subjects: []string{"crm.acme.Leads.edit"}})
	if err != nil || len(page.Events) != 50 || page.Scanned > 52 || page.Next != 2500 {
		t.Errorf("%d events, %d read, goes on with %d: %v", len(page.Events), page.Scanned, page.Next, err)
	}
}

// A page that has read as much as it may says how far it came, and where to search on.
func TestPageIsBounded(t *testing.T) {
	s := open(t, many(3000)...)
	s.Scan = 1000
	oldest, err := s.Page(t.Context(), search.Query{Selection: replay.Selection{Record: "none"}, Oldest: true})
	if err != nil || oldest.Scanned != 1000 || oldest.At != 1000 || oldest.Next != 1001 {
		t.Errorf("the oldest first: read %d, to %d, goes on with %d: %v", oldest.Scanned, oldest.At, oldest.Next, err)
	}
	newest, err := s.Page(t.Context(), search.Query{Selection: replay.Selection{Record: "none"}})
	if read := uint64(newest.Scanned); err != nil || read < 1000 || read >= 1500 || newest.At != 3001-read || newest.Next != newest.At-1 {
		t.Errorf("the newest first: read %d, to %d, goes on with %d: %v", read, newest.At, newest.Next, err)
	}
}

// Large events make short pages, of at least one event, and none is left out.
func TestLargeEventsMakeShortPages(t *testing.T) {
	var large []made
	for i := range 20 {
		large = append(large, made{id: fmt.Sprint(i), module: "Deals", record: "1", account: "default", size: 900 << 10})
	}
	s := open(t, large...)
	for _, oldest := range []bool{true, false} {
		for _, selected := range []replay.Selection{{}, {Record: "1"}} {
			sequences, pages := all(t, s, search.Query{Oldest: oldest, Selection: selected})
			want := steps(1, 20, 1)
			if !oldest {
				slices.Reverse(want)
			}
			if diff := cmp.Diff(want, sequences); diff != "" || pages != 3 {
				t.Errorf("%d pages: %s", pages, diff)
			}
		}
	}
}

// The id of an event finds it: one that says when it was made without reading what is older, any other from the newest on.
func TestEventByID(t *testing.T) {
	s := open(t, many(1000)...)
	stored, err := s.Conn.Get(t.Context(), "CRM", 1000)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	add(t, s.Conn, made{id: fresh.String(), module: "Deals", record: "1", account: "default"})
	for id, sequence := range map[string]uint64{fresh.String(): 1001, "e1000": 1000, "e1": 1} {
		page, err := s.Page(t.Context(), search.Query{Selection: replay.Selection{Event: id}})
		if err != nil || len(page.Events) != 1 || page.Events[0].Sequence != sequence {
			t.Errorf("%s: found %v: %v", id, page.Events, err)
		}
	}
	old := uuid.Must(uuid.NewV7())
	copy(old[:], []byte{0, 0, 0, 0, 0, 1}) // of 1970
	if page, err := s.Page(t.Context(), search.Query{Since: stored.At.Add(time.Hour), Selection: replay.Selection{Event: old.String()}}); err != nil || page.Scanned > 0 {
		t.Errorf("read %d messages that are too old: %v", page.Scanned, err)
	}
}

// A time span bounds what is found and read, at both ends.
func TestTimes(t *testing.T) {
	s := open(t, many(20)...)
	tenth, err := s.Conn.Get(t.Context(), "CRM", 10)
	if err != nil {
		t.Fatal(err)
	}
	since, _ := all(t, s, search.Query{Since: tenth.At, Oldest: true})
	until, _ := all(t, s, search.Query{Until: tenth.At, Oldest: true})
	if len(since) == 0 || !slices.Contains(since, 10) || slices.Contains(until, 10) || len(since)+len(until) != 20 {
		t.Errorf("since: %d, until: %d", since, until)
	}
}

// What is stored while a person reads does not move the pages.
func TestPagesStayWhileEventsArrive(t *testing.T) {
	s := open(t, many(120)...)
	first, err := s.Page(t.Context(), search.Query{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, s.Conn, many(200)...)
	second, err := s.Page(t.Context(), search.Query{Next: first.Next})
	if err != nil || len(second.Events) != 50 || second.Events[0].Sequence != 70 {
		t.Errorf("the second page begins with %d: %v", second.Events[0].Sequence, err)
	}
}

// A stream that is empty, or does not exist, or cannot hold a subject.
func TestNothingToSearch(t *testing.T) {
	s := open(t)
	if page, err := s.Page(t.Context(), search.Query{}); err != nil || len(page.Events) > 0 || page.Next != 0 {
		t.Errorf("%+v: %v", page, err)
	}
	if _, err := s.Page(t.Context(), search.Query{Subjects: []string{"crn.>"}}); err == nil || !strings.Contains(err.Error(), "nothing in it can have the subject") {
		t.Error(err)
	}
	s.Name = "NONE"
	if _, err := s.Page(t.Context(), search.Query{}); err == nil || !strings.Contains(err.Error(), "NONE") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Page(ctx, search.Query{}); err == nil {
		t.Error("a search that nobody waits for goes on")
	}
}

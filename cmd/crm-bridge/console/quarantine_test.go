package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// shelf is a quarantine in memory: callbacks whose ids end with an odd digit cannot be parsed.
type shelf struct {
	ids     []string
	broken  error                // of a redrive, after one was redriven
	asked   quarantine.Selection // last
	dryRuns int
}

// lines returns the ids of a selection, at most so many, with the sequences of the last one and of the one after which the next page is.
func (s *shelf) lines(selected quarantine.Selection, most int) (ids []string, last, next uint64) {
	if s.asked = selected; selected.ID != "" {
		return []string{selected.ID}, 0, 0
	}
	first, end := min(int(selected.After), len(s.ids)), len(s.ids)
	if selected.Upto > 0 {
		end = min(end, int(selected.Upto))
	}
	end = min(end, first+most)
	if end < len(s.ids) {
		next = uint64(end)
	}
	return s.ids[first:end], uint64(end), next
}

func (s *shelf) pages() console.QuarantinePages {
	listed := func(id string) quarantine.Listed {
		return quarantine.Listed{ID: id, Source: "acme-webhooks", Account: "emea", Reason: "malformed: " + hostile, ReceivedAt: *moment(0), Bytes: 2048}
	}
	return console.QuarantinePages{
		Report:  reporting(status.Report{Quarantine: &status.Stream{Name: "CRM_QUARANTINE", Messages: 120, Bytes: 1 << 20, Limit: 4 << 20, Full: status.FullDrops}, Refused: &status.Stream{Messages: 3}}),
		Sources: []string{"acme-events", "acme-webhooks"}, Stream: "CRM",
		List: func(_ context.Context, selected quarantine.Selection, most int) (page quarantine.Page[quarantine.Listed], err error) {
			ids, last, next := s.lines(selected, most)
			for _, id := range ids {
				page.Lines = append(page.Lines, listed(id))
			}
			page.Last, page.Next = last, next
			return page, nil
		},
		Get: func(_ context.Context, id string) (quarantine.Kept, error) {
			switch id {
			case "form":
				return quarantine.Kept{Listed: listed(id), Request: "POST /acme?token=" + hostile, ContentType: "text/plain", Body: []byte("a=" + hostile + "\x1b[2J")}, nil
			case "json":
				return quarantine.Kept{Listed: listed(id), Body: []byte(`{"a":[1,"` + strings.Repeat("x", 300<<10) + `"]}`)}, nil
			case "binary":
				return quarantine.Kept{Listed: listed(id), Body: []byte("\xff\xfe")}, nil
			}
			return quarantine.Kept{}, console.NotFound(id + " is not in quarantine")
		},
		Redrive: func(_ context.Context, selected quarantine.Selection, most int, dryRun bool) (page quarantine.Page[quarantine.Redriven], err error) {
			ids, last, next := s.lines(selected, most)
			for i, id := range ids {
				one := quarantine.Redriven{ID: id, DryRun: dryRun, Events: []ingest.Ack{{Subject: "crm.acme.Deals.edit", Stream: "CRM", Sequence: 17}}}
				if strings.ContainsAny(id[len(id)-1:], "13579") {
					one.Events, one.Error = nil, "malformed: it is odd"
				}
				if page.Lines = append(page.Lines, one); i == 1 && s.broken != nil && !dryRun {
					return page, s.broken
				}
			}
			if dryRun {
				s.dryRuns++
			}
			page.Last, page.Next = last, next
			return page, nil
		},
	}
}

func shelfOf(n int) *shelf {
	s := &shelf{}
	for i := range n {
		s.ids = append(s.ids, fmt.Sprintf("id-%03d", i))
	}
	return s
}

// The list is paged by a cursor, narrowed by source and account, and leads to the events that the remote rejected.
func TestQuarantineList(t *testing.T) {
	s := shelfOf(120)
	r := reads(t, s.pages().Pages()...)
	r.sees("/console/quarantine", "id-000", "id-049", "no:id-050", `href="/console/quarantine?after=50"`, "malformed: &lt;img", "no:"+hostile, "2KiB", "account emea", "rejected 3 events permanently",
		`href="/console/quarantine?source=refused"`, `aria-label="CRM_QUARANTINE used">25 %</meter>`, "the oldest are dropped", `aria-label="Redrive id-007"`)
	r.sees("/console/quarantine?account=emea&source=acme-webhooks&after=50", "id-050", "id-099", `href="/console/quarantine?account=emea&amp;after=100&amp;source=acme-webhooks"`, `value="emea"`, "<option selected>acme-webhooks")
	if want := (quarantine.Selection{Source: "acme-webhooks", Account: "emea", After: 50}); s.asked != want {
		t.Errorf("asked for %+v", s.asked)
	}
	r.sees("/console/quarantine?source=refused", "Solve the reason", "no:rejected 3 events")
	empty := reads(t, shelfOf(0).pages().Pages()...)
	empty.sees("/console/quarantine", "Nothing waits.", "no:Redrive all")
}

// One callback is shown whole, as it is kept: indented where it is JSON, cut where it is very long, and never as HTML.
func TestQuarantinedCallback(t *testing.T) {
	r := reads(t, shelfOf(0).pages().Pages()...)
	r.sees("/console/quarantine/callback?id=form", "a=&lt;img", `\x1b[2J`, "POST /acme?token=&lt;img", "no:"+hostile, "text/plain")
	r.sees("/console/quarantine/callback?id=json", "{\n  &#34;a&#34;: [\n    1,", "The rest is not shown: crm-bridge quarantine show json")
	r.sees("/console/quarantine/callback?id=binary", "The body is not text.")
	if code, page := r.get("/console/quarantine/callback?id=none"); code != http.StatusNotFound || !strings.Contains(page, "None is not in quarantine.") {
		t.Errorf("%d %s", code, page)
	}
}

// All of a selection are redriven some at a time: a dry run is shown first, then a line for each, and a button for the next ones.
func TestRedriveAll(t *testing.T) {
	s := shelfOf(120)
	r := reads(t, s.pages().Pages()...)
	form := url.Values{"source": {"acme-webhooks"}}
	_, page := r.posts("/console/quarantine/redrive-all", form)
	r.has(page, "Redrive 100 of the callbacks of acme-webhooks?", "50 published on crm.acme.Deals.edit.", "50 stay: malformed: it is odd.", "These are the first ones.", `href="/console/quarantine?source=acme-webhooks"`)
	form.Set("confirmed", "yes")
	if code, page := r.posts("/console/quarantine/redrive-all", form); code != http.StatusBadGateway || !strings.Contains(page, "does not say up to which one") {
		t.Errorf("a yes without a question: %d %s", code, page)
	}
	form.Set("upto", "100")
	_, page = r.posts("/console/quarantine/redrive-all", form)
	r.has(page, "Redriven 50 of the callbacks of acme-webhooks; 50 stay.", "id-000", "published on crm.acme.Deals.edit, stream CRM, sequence 17", `<a href="/console/event?sequence=17">Event 17</a>`, "id-001", "malformed: it is odd", `name="after" value="100"`, "Go on with the next ones")
	if s.dryRuns != 1 {
		t.Errorf("%d dry runs", s.dryRuns)
	}
	_, page = r.posts("/console/quarantine/redrive-all", url.Values{"source": {"acme-webhooks"}, "after": {"100"}})
	r.has(page, "Redrive 20 of the callbacks of acme-webhooks?", "no:These are the first ones.")
	if code, page := r.posts("/console/quarantine/redrive-all", url.Values{"after": {"120"}}); code != http.StatusBadRequest || !strings.Contains(page, "Nothing waits here any more.") {
		t.Errorf("%d %s", code, page)
	}
	s.broken = errors.New("the stream does not answer")
	code, page := r.posts("/console/quarantine/redrive-all", form)
	r.has(page, "The stream does not answer.", "Redriven 1 of the callbacks of acme-webhooks; 1 stay.", "id-001", "no:id-002")
	if code != http.StatusOK {
		t.Errorf("%d", code)
	}
}

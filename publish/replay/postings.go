package replay

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"
)

// inFlightEach is how many events are in flight, and wait for their turn, for each post at once.
const inFlightEach = 16

// postings are the events that are on their way to an endpoint, in order. One goroutine uses them, beside those that post.
type postings struct {
	atOnce  chan struct{} // holds one for each post at once
	most    int           // in flight
	size    int           // bytes in flight
	all     []*posting
	last    map[string]*posting // the last event in flight of each record
	done    Report              // and not reported yet
	unsaved int                 // events that are done since the job was saved

	ctx  context.Context //nolint:containedctx // of the posts, which end when one of them fails
	fail context.CancelCauseFunc
	work sync.WaitGroup
	mu   sync.Mutex // held while a failure is reported
}

// posting is an event on its way.
type posting struct {
	records []string
	size    int
	ended   chan struct{} // closed when report and err are set
	report  Report
	err     error
	skipped Report // what need not be posted behind it
}

// begin forgets what was in flight: it is delivered again.
func (p *postings) begin(ctx context.Context, parallel int) {
	if p.fail != nil {
		p.fail(nil)
		p.work.Wait()
	}
	p.ctx, p.fail = context.WithCancelCause(ctx)
	p.atOnce, p.most = make(chan struct{}, parallel), parallel*inFlightEach
	if parallel == 1 {
		p.most = 1
	}
	p.all, p.size, p.last, p.done, p.unsaved = nil, 0, map[string]*posting{}, Report{}, 0
}

// add posts an event when all earlier ones of its records were taken.
func (p *postings) add(size int, records []string, post func(context.Context) (Report, error)) {
	one := &posting{records: records, size: size, ended: make(chan struct{})}
	var before []*posting
	for _, record := range records {
		if earlier := p.last[record]; earlier != nil && earlier != one { // it may name a record twice
			before = append(before, earlier)
		}
		p.last[record] = one
	}
	p.all, p.size = append(p.all, one), p.size+size
	ctx, fail, atOnce := p.ctx, p.fail, p.atOnce
	p.work.Go(func() {
		defer close(one.ended)
		for _, earlier := range before {
			<-earlier.ended
		}
		select {
		case atOnce <- struct{}{}:
			defer func() { <-atOnce }()
		case <-ctx.Done():
		}
		if one.err = context.Cause(ctx); one.err != nil {
			return
		}
		if one.report, one.err = post(ctx); one.err != nil {
			fail(one.err) // before any later event of the record has its turn
		}
	})
}

// skip notes a message that is not posted, in its place among the others.
func (p *postings) skip(sequence uint64, counts Tally) {
	behind := &p.done
	if len(p.all) > 0 {
		behind = &p.all[len(p.all)-1].skipped
	}
	behind.At = sequence
	behind.Counts.add(counts)
}

// full reports whether as much is in flight as may be.
func (p *postings) full() bool { return len(p.all) >= p.most || p.size >= bytesAtOnce }

// await waits for the first in flight for as long as more says so, takes what has ended, and reports what is done.
func (p *postings) await(ctx context.Context, more func() bool) (Report, error) {
	var err error
	for err == nil && len(p.all) > 0 && (p.ended() || more()) {
		err = p.first(ctx)
	}
	report := p.done
	p.done = Report{}
	if p.unsaved >= (p.most+1)/2 {
		report.Save, p.unsaved = true, 0
	}
	return report, err
}

// ended reports whether the first in flight need not be waited for.
func (p *postings) ended() bool {
	select {
	case <-p.all[0].ended:
		return true
	default:
		return false
	}
}

// first waits for the first in flight. The error is that of the post that failed first.
func (p *postings) first(ctx context.Context) error {
	first := p.all[0]
	select {
	case <-first.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if first.err != nil {
		p.work.Wait()
		return context.Cause(p.ctx)
	}
	for _, record := range first.records {
		if p.last[record] == first {
			delete(p.last, record)
		}
	}
	p.all, p.size = p.all[1:], p.size-first.size
	p.unsaved++
	for _, more := range []Report{first.report, first.skipped} {
		p.done.At = max(p.done.At, more.At)
		p.done.Counts.add(more.Counts)
		p.done.Skipped = append(p.done.Skipped, more.Skipped...)
	}
	return nil
}

// recordsOf returns what keeps an event in order: each of its records, or its module where it names none.
func recordsOf(e event.Event) []string {
	var data struct {
		Provider, Account, Module string
		IDs                       []string
	}
	_ = json.Unmarshal(e.Data(), &data) // of another form, it names no record
	of := func(id string) string {
		text, _ := json.Marshal([]string{data.Provider, data.Account, data.Module, id})
		return string(text)
	}
	if len(data.IDs) == 0 {
		return []string{of("")}
	}
	records := make([]string, len(data.IDs))
	for i, id := range data.IDs {
		records[i] = of(id)
	}
	return records
}

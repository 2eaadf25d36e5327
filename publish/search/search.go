// Package search finds events in a stream for a person, a page at a time: by subject, record, id, account, origin and time, the newest
// or the oldest first. What one page reads of the stream is bounded.
// Nothing here knows of commands, HTTP or CRMs.
package search

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// Query is what to search for.
type Query struct {
	Subjects []string // filters; empty: all that the stream holds
	replay.Selection
	Since, Until time.Time // stored then or later, and before; zero: any
	Oldest       bool      // the oldest first; else the newest
	Next         uint64    // Page.Next of the page before; 0: the first page
}

// Page is a part of what a search finds.
type Page struct {
	Events  []publish.Stored // in the order of the query
	Next    uint64           // the sequence with which the next page begins; 0: the search is at its end
	Scanned int              // messages that were read for this page
	At      uint64           // the sequence up to which the stream was searched; 0: nothing of it was in the bounds
}

// Stream is searched. Set the fields once.
type Stream struct {
	Conn *publish.Conn
	Name string
	Most int // events on a page; 0: 50
	Scan int // messages that a page reads at most, and up to a window more; 0: 20,000
}

const (
	defaultMost = 50
	defaultScan = 20_000
	// window is how many messages are read at once to find the newest first, and windowBytes about how much that may be.
	window      = 500
	windowBytes = 16 << 20
	// pageBytes bounds what a page holds, but for its first event, and scanBytes what is read for it, but for the last window.
	pageBytes = 8 << 20
	scanBytes = 64 << 20
	// patience is how long reading may fail, for example because a copy of the stream is behind the others.
	patience = 2 * time.Second
	// clocks is how far those of a bridge and a NATS server may be apart.
	clocks = time.Minute
)

// Page returns the next part of what a query finds.
func (s *Stream) Page(ctx context.Context, q Query) (Page, error) {
	if made := publish.MadeAt(q.Event); !made.IsZero() {
		// It was stored soon after its id was made, or later, where it had waited in a journal.
		if since := made.Add(-clocks); since.After(q.Since) {
			q.Since = since
		}
		q.Oldest = true
	}
	span, err := s.Conn.OpenSpan(ctx, s.Name, q.Subjects, publish.Bounds{Since: q.Since, Until: q.Until})
	if err != nil {
		return Page{}, err
	}
	span.Patience = patience
	r := &reading{span: span, q: q, most: s.Most, scan: s.Scan}
	if r.most == 0 {
		r.most = defaultMost
	}
	if r.scan == 0 {
		r.scan = defaultScan
	}
	if q.Oldest {
		err = r.forward(ctx)
	} else {
		err = r.backward(ctx)
	}
	return r.page, err
}

// reading is one page in the making.
type reading struct {
	span       *publish.Span
	q          Query
	most, scan int
	page       Page
	read, held int // bytes
}

// errFull ends the reading of a page.
var errFull = errors.New("the page is full")

// forward fills the page with the oldest events.
func (r *reading) forward(ctx context.Context) error {
	r.span.First = max(r.span.First, r.q.Next)
	err := r.span.Each(ctx, func(m publish.Stored) error {
		if r.q.Matches(m) {
			if len(r.page.Events) > 0 && r.held+len(m.Data) > pageBytes {
				r.page.Next = m.Sequence
				return errFull
			}
			r.held += len(m.Data)
			r.page.Events = append(r.page.Events, m)
		}
		r.note(m)
		if len(r.page.Events) == r.most || r.spent() {
			r.page.Next = m.Sequence + 1
			return errFull
		}
		return nil
	})
	switch {
	case errors.Is(err, errFull) && r.page.Next <= r.span.Last:
		return nil
	case err != nil && !errors.Is(err, errFull):
		return err
	}
	r.page.Next, r.page.At = 0, r.span.Last
	return nil
}

// note counts a message that was read.
func (r *reading) note(m publish.Stored) {
	r.page.Scanned++
	r.page.At = m.Sequence
	r.read += len(m.Data)
}

// spent reports whether the page has read as much as it may.
func (r *reading) spent() bool { return r.page.Scanned >= r.scan || r.read >= scanBytes }

// backward fills the page with the newest events. A stream is read forward, so it takes one window after the other from the end.
func (r *reading) backward(ctx context.Context) error {
	end := r.span.Last
	if r.q.Next > 0 {
		end = min(end, r.q.Next)
	}
	for end >= r.span.First && end > 0 {
		from, err := r.span.Tail(ctx, end, r.wanted())
		if err != nil {
			return err
		}
		part := *r.span
		part.First, part.Last = from, end
		found, err := r.window(ctx, &part)
		if err != nil {
			return err
		}
		r.page.At = from
		if r.take(found) {
			return nil
		}
		end = from - 1
		if r.spent() && end >= r.span.First {
			r.page.Next = end
			return nil
		}
	}
	return nil
}

// wanted returns how many messages to read next. Where each is on the page, that is what it lacks, and one that says whether there is
// another; else it depends on how large those were that are read: a window is read whole, however little of it fits the page.
func (r *reading) wanted() uint64 {
	switch {
	case r.q.Selection == (replay.Selection{}), r.page.Scanned == 0:
		return uint64(r.most + 1 - len(r.page.Events))
	case r.read == 0:
		return window
	}
	return uint64(max(1, min(window, windowBytes/max(1, r.read/r.page.Scanned))))
}

// window returns what is found in a part of the stream: the last of it, as much as a page may hold, and the one before.
func (r *reading) window(ctx context.Context, part *publish.Span) (found []publish.Stored, err error) {
	size := 0
	err = part.Each(ctx, func(m publish.Stored) error {
		r.note(m)
		if !r.q.Matches(m) {
			return nil
		}
		found, size = append(found, m), size+len(m.Data)
		for len(found) > r.most+1 || len(found) > 2 && size-len(found[0].Data) > pageBytes {
			found, size = found[1:], size-len(found[0].Data)
		}
		return nil
	})
	return found, err
}

// take puts what a window holds on the page, and reports whether that is full.
func (r *reading) take(found []publish.Stored) (full bool) {
	for _, m := range slices.Backward(found) {
		if n := len(r.page.Events); n == r.most || n > 0 && r.held+len(m.Data) > pageBytes {
			r.page.Next, r.page.At = m.Sequence, m.Sequence+1
			return true
		}
		r.held += len(m.Data)
		r.page.Events = append(r.page.Events, m)
	}
	return false
}

package replay

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// SubjectCount is what a span holds on a subject.
type SubjectCount struct {
	Subject   string    `json:"subject"`
	Events    uint64    `json:"events"`
	NotEvents uint64    `json:"noEvents,omitempty"`
	First     time.Time `json:"first"` // when the stream took the first of them
	Last      time.Time `json:"last"`
}

// Count counts what a replay of a span would deliver, by subject, and calls show after each message. Where nothing asks for
// the events themselves, the stream sends their headers alone. Beside an error it returns what it has counted so far.
func Count(ctx context.Context, span *publish.Span, selected Selection, show func(read int)) ([]SubjectCount, error) {
	found := map[string]*SubjectCount{}
	headers := *span
	headers.HeadersOnly = selected == Selection{}
	read := 0
	err := headers.Each(ctx, func(m publish.Stored) error {
		read++
		show(read)
		if !selected.Matches(m) {
			return nil
		}
		of := found[m.Subject]
		if of == nil {
			of = &SubjectCount{Subject: m.Subject, First: m.At.UTC()}
			found[m.Subject] = of
		}
		of.Last = m.At.UTC()
		if m.IsEvent() {
			of.Events++
		} else {
			of.NotEvents++
		}
		return nil
	})
	all := make([]SubjectCount, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[name])
	}
	return all, err
}

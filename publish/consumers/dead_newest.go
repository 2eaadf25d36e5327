package consumers

import (
	"cmp"
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Newest returns what a consumer gave up on last, at most so many messages, the newest first, and whether it gave up on others before.
// Beside List it reads no more entries than it needs, so that a page can be refreshed.
func (d *DeadLetters) Newest(ctx context.Context, stream, consumer string, most int) (newest []DeadLetter, more bool, err error) {
	list, err := d.open(ctx)
	if err != nil {
		return nil, false, err
	}
	marked, err := d.marked(ctx, list)
	if err != nil {
		return nil, false, err
	}
	entries, more, err := list.newest(ctx, d.Stream, stream, consumer, most)
	if err != nil {
		return nil, false, err
	}
	found := gathering{made: list.made, marked: marked, found: map[key]*Listed{}}
	for _, m := range entries {
		if a, ok := advisoryIn(m); ok {
			found.add(a, m)
		}
	}
	for _, one := range found.all() {
		newest = append(newest, one.DeadLetter)
	}
	slices.SortFunc(newest, func(a, b DeadLetter) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Sequence, a.Sequence)) })
	return newest, more, d.describe(ctx, newest)
}

// newest returns the last entries of a consumer, at most so many, oldest first, and whether it has others.
func (e entries) newest(ctx context.Context, list, stream, consumer string, most int) (all []publish.Stored, more bool, err error) {
	info, err := e.stream.Info(ctx, jetstream.WithSubjectFilter("$JS.EVENT.ADVISORY.CONSUMER.*."+stream+"."+consumer))
	if err != nil {
		return nil, false, explain(e.conn, err, "look up stream "+list, "STREAM.INFO."+list)
	}
	total := uint64(0)
	for subject, n := range info.State.Subjects {
		some, err := e.lastOf(ctx, list, subject, min(n, uint64(most)))
		if err != nil {
			return nil, false, err
		}
		all, total = append(all, some...), total+n
	}
	slices.SortFunc(all, func(a, b publish.Stored) int { return cmp.Compare(a.Sequence, b.Sequence) })
	all = all[max(0, len(all)-most):]
	return all, total > uint64(len(all)), nil
}

// lastOf returns the last n messages of a subject, which the stream holds. A stream is read forward only, so it looks through windows at its
// end, each four times as large as the one before.
func (e entries) lastOf(ctx context.Context, list, subject string, n uint64) (last []publish.Stored, err error) {
	for window := n; ; window *= 4 {
		from := max(e.first, e.last-min(e.last, window)+1)
		last = last[:0]
		err := e.conn.ReadSubject(ctx, list, subject, from, func(m publish.Stored) error {
			if last = append(last, m); uint64(len(last)) > n {
				last = last[1:]
			}
			return nil
		})
		if err != nil || uint64(len(last)) == n || from <= e.first {
			return last, err
		}
	}
}

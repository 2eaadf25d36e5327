package consumers

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Count is how many entries of the list a consumer has that no replay has re-delivered.
type Count struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Dead     uint64 `json:"dead"`
}

// Counts returns the counts of all consumers that gave up on a message. It reads no entry.
func (d *DeadLetters) Counts(ctx context.Context) ([]Count, error) {
	list, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	info, err := list.stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return nil, explain(list.conn, err, "look up stream "+d.Stream, "STREAM.INFO."+d.Stream)
	}
	marked, err := d.marked(ctx, list)
	if err != nil {
		return nil, err
	}
	entries := map[of]uint64{}
	for subject, n := range info.State.Subjects {
		if name, ok := consumerOfSubject(subject); ok {
			entries[name] += n
		}
	}
	counts := make([]Count, 0, len(entries))
	for name, n := range entries {
		if n -= min(n, marked[name].since(info.State.FirstSeq)); n > 0 {
			counts = append(counts, Count{name.stream, name.consumer, n})
		}
	}
	return counts, nil
}

// Clear removes messages from the list, and all that their consumers gave up on before.
func (d *DeadLetters) Clear(ctx context.Context, given []Listed) error {
	list, err := d.open(ctx)
	if err != nil {
		return err
	}
	last := map[of]uint64{}
	for _, one := range given {
		if !one.made.Equal(list.made) {
			continue // it went with its stream
		}
		name := of{one.Stream, one.Consumer}
		last[name] = max(last[name], slices.Max(one.Entries))
	}
	for name, upto := range last {
		for _, advisory := range advisories {
			err := list.stream.Purge(ctx, jetstream.WithPurgeSubject(advisory+name.stream+"."+name.consumer), jetstream.WithPurgeSequence(upto+1))
			if err != nil {
				return explain(list.conn, err, "clear the list in stream "+d.Stream, "STREAM.PURGE."+d.Stream)
			}
		}
		if err := d.mark(ctx, list, name, func(m *marks) { m.keep(func(entry uint64) bool { return entry > upto }) }); err != nil {
			return err
		}
	}
	if d.Commit != nil {
		return d.Commit(ctx)
	}
	return nil
}

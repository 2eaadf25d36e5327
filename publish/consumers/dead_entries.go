package consumers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// entries is the stream of advisories as it is now.
type entries struct {
	conn        *publish.Conn
	stream      jetstream.Stream
	made        time.Time
	first, last uint64 // sequences
}

// open looks the stream up. The error is ErrNoList where there is none.
func (d *DeadLetters) open(ctx context.Context) (entries, error) {
	conn, err := d.Reach()
	if err != nil {
		return entries{}, err
	}
	stream, err := conn.JetStream().Stream(ctx, d.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return entries{}, fmt.Errorf("%w: there is no stream %s", ErrNoList, d.Stream)
	}
	if err != nil {
		return entries{}, explain(conn, err, "look up stream "+d.Stream, "STREAM.INFO."+d.Stream)
	}
	info := stream.CachedInfo()
	return entries{conn, stream, info.Created, info.State.FirstSeq, info.State.LastSeq}, nil
}

// drop drops marks of what is not in the list: of another stream of its name, of entries that have expired, and of some that were lost,
// whose sequences others have got since.
func (e entries) drop(ctx context.Context, m *marks) error {
	if !m.Made.Equal(e.made) {
		m.Replays = nil
	}
	m.keep(func(entry uint64) bool { return e.first <= entry && entry <= e.last })
	lost, err := e.lostFrom(ctx, m)
	if lost > 0 {
		m.keep(func(entry uint64) bool { return entry < lost })
	}
	return err
}

// lostFrom returns the first marked sequence at which the list has another entry, taken later than what was marked; 0: there is none. A
// stream loses its last entries alone, so mostly one look is enough.
func (e entries) lostFrom(ctx context.Context, m *marks) (lost uint64, err error) {
	type marked struct {
		entry  uint64
		newest time.Time
	}
	var all []marked
	for _, replay := range m.Replays {
		for _, entry := range replay.Entries {
			all = append(all, marked{entry, replay.Newest})
		}
	}
	slices.SortFunc(all, func(a, b marked) int { return cmp.Compare(a.entry, b.entry) })
	for few, many := 0, len(all); few < many; {
		at := few + (many-few)/2
		if lost == 0 {
			at = many - 1
		}
		held, err := e.stream.GetMsg(ctx, all[at].entry)
		switch {
		case err != nil && !errors.Is(err, jetstream.ErrMsgNotFound):
			return 0, fmt.Errorf("entry %d of stream %s: %w", all[at].entry, e.stream.CachedInfo().Config.Name, err)
		case err == nil && held.Time.After(all[at].newest):
			lost, many = all[at].entry, at
		case lost == 0:
			return 0, nil
		default:
			few = at + 1
		}
	}
	return lost, nil
}

// consumerOfSubject returns the consumer that an advisory's subject names.
func consumerOfSubject(subject string) (name of, ok bool) {
	for _, advisory := range advisories {
		if rest, found := strings.CutPrefix(subject, advisory); found {
			name.stream, name.consumer, ok = strings.Cut(rest, ".")
			return name, ok
		}
	}
	return name, false
}

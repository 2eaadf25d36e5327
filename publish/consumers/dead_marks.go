package consumers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// marks are the entries of a consumer that replays have brought again.
type marks struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Replays  []mark `json:"replays"`
}

// mark is what one replay has brought again.
type mark struct {
	At      time.Time `json:"at"`
	Entries []uint64  `json:"entries"` // sequences of the stream of advisories, sorted
}

// marksPrefix begins the keys of marks in the bucket.
const marksPrefix = "dead."

// markTries is how often a mark is saved again after somebody else has saved one.
const markTries = 5

// markKey returns the key of a consumer's marks: its name may have characters that a key must not have.
func markKey(stream, consumer string) string {
	return marksPrefix + base64.RawURLEncoding.EncodeToString([]byte(stream+"."+consumer))
}

// at returns when a replay brought an entry again; nil: none has.
func (m *marks) at(entry uint64) *time.Time {
	if m == nil {
		return nil
	}
	for _, replay := range m.Replays {
		if _, found := slices.BinarySearch(replay.Entries, entry); found {
			return &replay.At
		}
	}
	return nil
}

// since returns how many entries are marked from a sequence on.
func (m *marks) since(first uint64) (n uint64) {
	if m == nil {
		return 0
	}
	for _, replay := range m.Replays {
		from, _ := slices.BinarySearch(replay.Entries, first)
		n += uint64(len(replay.Entries) - from)
	}
	return n
}

// keep drops the marks of entries that keep does not name.
func (m *marks) keep(keep func(entry uint64) bool) {
	for i := range m.Replays {
		m.Replays[i].Entries = slices.DeleteFunc(m.Replays[i].Entries, func(entry uint64) bool { return !keep(entry) })
	}
	m.Replays = slices.DeleteFunc(m.Replays, func(replay mark) bool { return len(replay.Entries) == 0 })
}

// marked returns the marks of all consumers.
func (d *DeadLetters) marked(ctx context.Context) (map[of]*marks, error) {
	saved, err := d.Marks.List(ctx, marksPrefix)
	if err != nil {
		return nil, err
	}
	all := map[of]*marks{}
	for key, one := range saved {
		var m marks
		if err := json.Unmarshal(one.Value, &m); err != nil {
			return nil, fmt.Errorf("bucket %s, key %s: %w", d.Marks.Name, key, err)
		}
		all[of{m.Stream, m.Consumer}] = &m
	}
	return all, nil
}

// Replayed marks messages as brought again: they stay in the list. Call it when their events are safe where the replay has brought them.
func (d *DeadLetters) Replayed(ctx context.Context, given []GivenUp, at time.Time) error {
	entries := map[of][]uint64{}
	for _, one := range given {
		name := of{one.Stream, one.Consumer}
		entries[name] = append(entries[name], one.Entries...)
	}
	for name, of := range entries {
		slices.Sort(of)
		if err := d.mark(ctx, name, func(m *marks) { m.Replays = append(m.Replays, mark{at.UTC(), of}) }); err != nil {
			return err
		}
	}
	return nil
}

// mark changes the marks of a consumer, and drops those whose entries have expired.
func (d *DeadLetters) mark(ctx context.Context, name of, change func(*marks)) error {
	first, err := d.first(ctx)
	if err != nil {
		return err
	}
	key := markKey(name.stream, name.consumer)
	for tries := 1; ; tries++ {
		value, revision, err := d.Marks.Load(ctx, key)
		if err != nil {
			return err
		}
		m := marks{Stream: name.stream, Consumer: name.consumer}
		if len(value) > 0 {
			if err := json.Unmarshal(value, &m); err != nil {
				return fmt.Errorf("bucket %s, key %s: %w", d.Marks.Name, key, err)
			}
		}
		change(&m)
		m.keep(func(entry uint64) bool { return entry >= first })
		if value, err = json.Marshal(m); err != nil {
			return err
		}
		if _, err = d.Marks.Save(ctx, key, value, revision); !errors.Is(err, publish.ErrConflict) || tries == markTries {
			return err
		}
	}
}

// first returns the sequence of the oldest entry.
func (d *DeadLetters) first(ctx context.Context) (uint64, error) {
	conn, err := d.Reach()
	if err != nil {
		return 0, err
	}
	stream, err := conn.JetStream().Stream(ctx, d.Stream)
	if err != nil {
		return 0, explain(conn, err, "look up stream "+d.Stream, "STREAM.INFO."+d.Stream)
	}
	return stream.CachedInfo().State.FirstSeq, nil
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

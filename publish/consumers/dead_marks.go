package consumers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// marks are the entries of a consumer that replays have re-delivered.
type marks struct {
	Stream   string    `json:"stream"`
	Consumer string    `json:"consumer"`
	Made     time.Time `json:"made"` // when the stream of advisories was made: sequences of another one are no entries of this one
	Replays  []mark    `json:"replays"`
}

// mark is what one replay has re-delivered.
type mark struct {
	At      time.Time `json:"at"`
	Entries []uint64  `json:"entries"` // sequences of the stream of advisories, sorted
	Newest  time.Time `json:"newest"`  // when the stream took the last of them: a later one of its sequence is another entry
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

// marked returns the marks of all consumers that hold for what is in the list.
func (d *DeadLetters) marked(ctx context.Context, list entries) (map[of]*marks, error) {
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
		if err := list.drop(ctx, &m); err != nil {
			return nil, err
		}
		all[of{m.Stream, m.Consumer}] = &m
	}
	return all, nil
}

// Replayed marks messages as re-delivered: they stay in the list. Call it when their events are safe where the replay has put them.
// What is marked is safe in the list before, so that no other entry gets its sequence after a power cut.
func (d *DeadLetters) Replayed(ctx context.Context, given []Listed, at time.Time) error {
	list, err := d.open(ctx)
	if err != nil {
		return err
	}
	if d.Commit != nil {
		if err := d.Commit(ctx); err != nil {
			return err
		}
	}
	replayed := map[of]mark{}
	for _, one := range given {
		if !one.made.Equal(list.made) {
			continue
		}
		name := of{one.Stream, one.Consumer}
		m := replayed[name]
		m.Entries = append(m.Entries, one.Entries...)
		if one.At.After(m.Newest) {
			m.Newest = one.At
		}
		replayed[name] = m
	}
	for name, one := range replayed {
		slices.Sort(one.Entries)
		one.At = at.UTC()
		if err := d.mark(ctx, list, name, func(m *marks) { m.Replays = append(m.Replays, one) }); err != nil {
			return err
		}
	}
	return nil
}

// mark changes the marks of a consumer, and drops those whose entries are not in the list any more.
func (d *DeadLetters) mark(ctx context.Context, list entries, name of, change func(*marks)) error {
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
		if err := list.drop(ctx, &m); err != nil { // before a newer mark hides that earlier entries were lost
			return err
		}
		m.Made = list.made
		change(&m)
		if err := list.drop(ctx, &m); err != nil {
			return err
		}
		if value, err = json.Marshal(m); err != nil {
			return err
		}
		if _, err = d.Marks.Save(ctx, key, value, revision); !errors.Is(err, publish.ErrConflict) || tries == markTries {
			return err
		}
	}
}

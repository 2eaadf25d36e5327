package consumers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// replayed marks all that a consumer gave up on as re-delivered.
func (h *house) replayed(given []consumers.Listed) {
	h.Helper()
	if err := h.list.Replayed(h.Context(), given, time.Now()); err != nil {
		h.Fatal(err)
	}
}

func (h *house) of(consumer string) []consumers.Listed {
	h.Helper()
	given, err := h.list.Of(h.Context(), "", consumer)
	if err != nil {
		h.Fatal(err)
	}
	return given
}

// Marks of what was in a stream are none of the entries of one that was made again, also where the replay ends only then.
func TestMarksOfAStreamThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 6)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing"})
	h.term(billing, 3)
	h.dead("billing", 3)
	given := h.of("billing")
	h.replayed(given)
	h.counts(map[string]uint64{})
	if err := h.conn.JetStream().DeleteStream(t.Context(), "CRM_DEAD"); err != nil {
		t.Fatal(err)
	}
	h.keepLetters(h.conn)
	h.term(billing, 3)
	for _, one := range h.dead("billing", 3) {
		if one.ReplayedAt != nil {
			t.Errorf("listed as replayed: %+v", one)
		}
	}
	h.counts(map[string]uint64{"billing": 3})
	h.replayed(given) // of the stream that was
	h.counts(map[string]uint64{"billing": 3})
	h.save("dead.Q1JNLmJpbGxpbmc", map[string]any{ // clocks were set back since
		"stream": "CRM", "consumer": "billing", "made": time.Now().Add(-time.Hour), "replays": []any{replay(time.Now().Add(time.Hour), 1, 2, 3)},
	})
	h.counts(map[string]uint64{"billing": 3})
	if err := h.list.Clear(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	h.counts(map[string]uint64{"billing": 3})
	h.replayed(h.of("billing")[:1])
	h.counts(map[string]uint64{"billing": 2})
}

// After a power cut has taken the last entries, others get their sequences: these are not listed as replayed, and the earlier still are.
func TestMarksOfEntriesThatWereLost(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 8)
	h.term(h.consume(jetstream.ConsumerConfig{Durable: "billing"}), 8)
	dead := h.dead("billing", 8)
	stream, err := h.conn.JetStream().Stream(t.Context(), "CRM_DEAD")
	if err != nil {
		t.Fatal(err)
	}
	for _, had := range []int{8, 5, 1, 0} { // so many of the marked entries are still there
		was := dead[max(had, 1)-1].At
		if had == 0 {
			was = was.Add(-time.Second)
		}
		h.save("dead.Q1JNLmJpbGxpbmc", map[string]any{
			"stream": "CRM", "consumer": "billing", "made": stream.CachedInfo().Created,
			"replays": []any{replay(was, 1, 2, 6), replay(was, 3, 4, 5, 7, 8), replay(was, 9, 10)}, // 9 and 10 are lost, too
		})
		for i, one := range h.dead("billing", 8) {
			if (one.ReplayedAt != nil) != (i < had) {
				t.Errorf("of %d: message %d: %+v", had, i, one)
			}
		}
		left := map[string]uint64{"billing": uint64(8 - had)}
		if had == 8 {
			left = map[string]uint64{}
		}
		h.counts(left)
	}
	h.replayed(h.of("billing")[7:])
	h.counts(map[string]uint64{"billing": 7})
}

// replay is what one has re-delivered, as it is saved.
func replay(newest time.Time, entries ...uint64) map[string]any {
	return map[string]any{"at": newest.Add(time.Minute), "entries": entries, "newest": newest}
}

// save writes marks as an earlier replay has.
func (h *house) save(key string, value any) {
	h.Helper()
	_, revision, err := h.list.Marks.Load(h.Context(), key)
	if err == nil {
		_, err = h.list.Marks.Save(h.Context(), key, []byte(asJSON(h.T, value)), revision)
	}
	if err != nil {
		h.Fatal(err)
	}
}

// What is marked is safe in the list before.
func TestMarksComeAfterTheirEntries(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 1)
	h.term(h.consume(jetstream.ConsumerConfig{Durable: "billing"}), 1)
	h.dead("billing", 1)
	broken := errors.New("broken")
	h.list.Commit = func(context.Context) error { return broken }
	if err := h.list.Replayed(t.Context(), h.of("billing"), time.Now()); !errors.Is(err, broken) {
		t.Error(err)
	}
	h.counts(map[string]uint64{"billing": 1})
}

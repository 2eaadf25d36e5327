package rest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// busy is a store in which somebody else is faster for the next n saves.
type busy struct {
	ingest.Memory
	left, saves int
}

func (b *busy) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	b.saves++
	if b.left--; b.left >= 0 {
		return 0, ingest.ErrConflict
	}
	return b.Memory.Save(ctx, key, value, revision)
}

// Changes that are made at once are all kept.
func TestUpdatesAtOnce(t *testing.T) {
	count := Value[map[string]int]{Store: &ingest.Memory{}, Key: "count"}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := count.Update(t.Context(), func(m *map[string]int) error {
				if *m == nil {
					*m = map[string]int{}
				}
				(*m)["n"]++
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if m, revision, err := count.Load(t.Context()); m["n"] != 5 || revision != 5 || err != nil {
		t.Errorf("%v at revision %d, %v", m, revision, err)
	}
}

// A change starts over where somebody else was faster, ten times at most; what changes nothing, or fails, is not saved.
func TestUpdateIsBounded(t *testing.T) {
	store := &busy{left: 9}
	number := Value[int]{Store: store, Key: "number"}
	add := func(n *int) error { *n++; return nil }
	if n, err := number.Update(t.Context(), add); n != 1 || err != nil || store.saves != 10 {
		t.Errorf("%d after %d saves, %v", n, store.saves, err)
	}
	store.left, store.saves = 1000, 0
	if _, err := number.Update(t.Context(), add); !errors.Is(err, ingest.ErrConflict) || store.saves != 10 {
		t.Errorf("after %d saves: %v", store.saves, err)
	}
	store.left, store.saves = 0, 0
	if _, err := number.Update(t.Context(), func(*int) error { return nil }); err != nil || store.saves != 0 {
		t.Errorf("nothing was changed and %d times saved: %v", store.saves, err)
	}
	wrong := errors.New("wrong")
	if _, err := number.Update(t.Context(), func(n *int) error { *n = 7; return wrong }); !errors.Is(err, wrong) || store.saves != 0 {
		t.Errorf("a failed change was %d times saved: %v", store.saves, err)
	}
}

// A document that cannot be decoded is an error that does not quote it, or counts as absent and is replaced.
func TestUnreadableDocument(t *testing.T) {
	store := &ingest.Memory{}
	if _, err := store.Save(t.Context(), "n", []byte(`"a-secret"`), 0); err != nil {
		t.Fatal(err)
	}
	number := Value[int]{Store: store, Key: "n"}
	one := func(n *int) error { *n = 1; return nil }
	if _, err := number.Update(t.Context(), one); !errors.Is(err, ErrUnreadable) || err.Error() != "load n: "+ErrUnreadable.Error() {
		t.Errorf("%v", err)
	}
	number.Lenient = true
	if n, revision, err := number.Load(t.Context()); n != 0 || revision != 1 || err != nil {
		t.Errorf("%d at revision %d, %v", n, revision, err)
	}
	if n, err := number.Update(t.Context(), one); n != 1 || err != nil || store.All()["n"] != "1" {
		t.Errorf("%d, %v, stored %s", n, err, store.All()["n"])
	}
}

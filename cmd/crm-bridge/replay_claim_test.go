package main

import (
	"context"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// busyStore keeps one job, and the run that is at work on it notes a step right before each of the first saves of another.
type busyStore struct {
	value    []byte
	revision uint64
	steps    int
	work     func()
}

func (s *busyStore) Load(context.Context, string) ([]byte, uint64, error) {
	return s.value, s.revision, nil
}

func (s *busyStore) Save(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	if s.steps > 0 {
		s.steps--
		s.work()
	}
	if revision != s.revision {
		return 0, ingest.ErrConflict
	}
	s.value, s.revision = value, s.revision+1
	return s.revision, nil
}

// A second run of a job takes it over from a first that keeps it all the time, at the place that the first has reached.
func TestClaimFromABusyRun(t *testing.T) {
	store := &busyStore{}
	first := &replayJob{Name: "once", store: store}
	if err := first.claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.work = func() { // what the first does between two looks of the second
		steps := store.steps
		store.steps = 0
		first.At++
		if err := first.save(t.Context()); err != nil {
			t.Error(err)
		}
		store.steps = steps
	}
	second, err := loadJob(t.Context(), store, "once")
	if err != nil {
		t.Fatal(err)
	}
	store.steps = 5
	if err := second.claim(t.Context()); err != nil || second.At != 5 {
		t.Errorf("the second is at %d: %v", second.At, err)
	}
	if err := first.save(t.Context()); err == nil {
		t.Error("the first does not see that it has lost the job")
	}
	// Begun anew it takes only the place in the store.
	third := &replayJob{Name: "once", store: store, revision: second.revision}
	second.At = 7
	if err := second.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := third.claim(t.Context()); err != nil || third.At != 0 {
		t.Errorf("the third is at %d: %v", third.At, err)
	}
	// Two that begin the same job at once are not one.
	if err := (&replayJob{Name: "once", store: store}).claim(t.Context()); err == nil {
		t.Error("a job that somebody else has just begun was begun once more")
	}
}

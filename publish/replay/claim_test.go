package replay

import (
	"context"
	"testing"
)

// busyStore keeps one job, and the run that is at work on it notes a step right before each of the first saves of another.
type busyStore struct {
	memory
	steps int
	work  func()
}

func (s *busyStore) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if s.steps > 0 {
		s.steps--
		s.work()
	}
	return s.memory.Save(ctx, key, value, revision)
}

// A second run of a job takes it over from a first that keeps it all the time, at the place that the first has reached.
func TestClaimFromABusyRun(t *testing.T) {
	store := &busyStore{}
	first := &Job{Name: "once", Store: store}
	if err := first.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.work = func() { // what the first does between two looks of the second
		steps := store.steps
		store.steps = 0
		first.At++
		if err := first.Save(t.Context()); err != nil {
			t.Error(err)
		}
		store.steps = steps
	}
	second, err := Load(t.Context(), store, "once")
	if err != nil {
		t.Fatal(err)
	}
	store.steps = 5
	if err := second.Claim(t.Context()); err != nil || second.At != 5 {
		t.Errorf("the second is at %d: %v", second.At, err)
	}
	if err := first.Save(t.Context()); err == nil {
		t.Error("the first does not see that it has lost the job")
	}
	// Started from scratch it takes only the place in the store.
	third := &Job{Name: "once", Store: store, revision: second.revision}
	second.At = 7
	if err := second.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := third.Claim(t.Context()); err != nil || third.At != 0 {
		t.Errorf("the third is at %d: %v", third.At, err)
	}
	// Two that begin the same job at once are not one.
	if err := (&Job{Name: "once", Store: store}).Claim(t.Context()); err == nil {
		t.Error("a job that somebody else has just begun was begun once more")
	}
}

// A job that has just been made is taken from its run by what deletes or erases, not by another run that would make it.
func TestClaimOfAJobInTheMaking(t *testing.T) {
	claims := map[string]struct {
		claim func(*Job) error
		taken bool
	}{
		"another run":  {func(j *Job) error { return j.Claim(t.Context()) }, false},
		"what erases":  {func(j *Job) error { return j.take(t.Context(), erasing) }, true},
		"what deletes": {func(j *Job) error { return j.take(t.Context(), "") }, true},
	}
	for name, test := range claims {
		store := &memory{}
		making := &Job{Name: "once", Unmade: true, Store: store}
		if err := making.Claim(t.Context()); err != nil {
			t.Fatal(err)
		}
		other, err := Load(t.Context(), store, "once")
		if err != nil {
			t.Fatal(err)
		}
		making.Unmade = false
		if err := making.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := test.claim(other); (err == nil) != test.taken {
			t.Errorf("%s: %v", name, err)
		}
		if err := making.Save(t.Context()); (err != nil) != test.taken {
			t.Errorf("%s: its run saves it then: %v", name, err)
		}
	}
}

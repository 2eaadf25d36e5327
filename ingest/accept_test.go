package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// What is rejected permanently is left out, and holds up nothing behind it; what only failed ends it.
func TestAcceptEach(t *testing.T) {
	fates := map[string]error{
		"malformed": ingest.ErrMalformed, "large": fmt.Errorf("%w: 9 MiB", ingest.ErrTooLarge), "partly": fmt.Errorf("%w: %w", ingest.ErrRetry, ingest.ErrTooLarge), "down": ingest.ErrRetry,
	}
	for _, test := range []struct {
		ids, accepted, leftOut []string
		calls                  int
		err                    error
	}{
		{ids: nil},
		{ids: []string{"1", "2"}, accepted: []string{"1", "2"}, calls: 1},
		{ids: []string{"1", "malformed", "2", "large", "partly", "3"}, accepted: []string{"1", "2", "3"}, leftOut: []string{"malformed", "large", "partly"}, calls: 7},
		{ids: []string{"malformed"}, leftOut: []string{"malformed"}, calls: 1},
		{ids: []string{"down", "1"}, calls: 1, err: ingest.ErrRetry},
		{ids: []string{"1", "large", "down", "2"}, accepted: []string{"1"}, leftOut: []string{"large"}, calls: 4, err: ingest.ErrRetry},
	} {
		var changes []ingest.Change
		for _, id := range test.ids {
			changes = append(changes, ingest.Change{IDs: []string{id}})
		}
		calls := 0
		accept := ingest.Accept(func(_ context.Context, changes []ingest.Change) (acks []ingest.Ack, err error) {
			calls++
			for _, change := range changes {
				err = errors.Join(err, fates[change.IDs[0]])
				acks = append(acks, ingest.Ack{ID: change.IDs[0]})
			}
			if err != nil {
				return nil, err
			}
			return acks, nil
		})
		var leftOut, accepted []string
		acks, err := accept.Each(t.Context(), changes, func(i int, err error) {
			leftOut = append(leftOut, changes[i].IDs[0])
			if err == nil {
				t.Errorf("%v: left out without a reason", changes[i].IDs)
			}
		})
		for _, ack := range acks {
			accepted = append(accepted, ack.ID)
		}
		if !slices.Equal(accepted, test.accepted) || !slices.Equal(leftOut, test.leftOut) || calls != test.calls || !errors.Is(err, test.err) {
			t.Errorf("%v: accepted %v, left out %v, in %d calls: %v", test.ids, accepted, leftOut, calls, err)
		}
	}
}

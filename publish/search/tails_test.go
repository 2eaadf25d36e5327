package search_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// So many people at once see the events that they selected as they arrive; one more gets an error, and has room when another leaves.
func TestTailsAreBounded(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	tails := &search.Tails{Stream: "CRM", Most: 2, Reach: func(context.Context) (*publish.Conn, error) { return server.Connect() }}
	add(t, conn, many(100)...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	seen, ended := make(chan uint64, 10), make(chan error)
	errEnough := errors.New("enough")
	for range 2 {
		go func() {
			ended <- tails.Follow(ctx, search.Tail{From: 1, Selection: replay.Selection{Record: "rare"}, Each: func(m publish.Stored) error {
				if seen <- m.Sequence; m.Sequence > 100 {
					return errEnough
				}
				return nil
			}})
		}()
	}
	for range 2 {
		if sequence := <-seen; sequence != 100 {
			t.Errorf("saw %d", sequence)
		}
	}
	none := search.Tail{Each: func(publish.Stored) error { return nil }}
	if err := tails.Follow(ctx, none); !errors.As(err, new(search.BusyError)) {
		t.Errorf("a third: %v", err)
	}
	add(t, conn, many(100)...)
	for range 2 {
		if err := <-ended; !errors.Is(err, errEnough) {
			t.Error(err)
		}
		if sequence := <-seen; sequence != 200 {
			t.Errorf("saw %d", sequence)
		}
	}
	now, leave := context.WithCancel(ctx)
	leave()
	if err := tails.Follow(now, none); errors.As(err, new(search.BusyError)) {
		t.Errorf("after two have left: %v", err)
	}
}

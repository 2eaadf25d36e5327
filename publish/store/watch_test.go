package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// A store that has broken answers at once, and is opened again when there is room, or when everything in it was forwarded.
func TestBrokenStore(t *testing.T) {
	full := errors.New("no space left on device")
	l := &local{serves: embedded.Config{Dir: t.TempDir()}, streams: &streams{Config: Config{Probe: func(context.Context) error { return full }}}}
	s := &EventStore{mode: &standalone{local: l}}
	reason := "a write failed"
	l.broke.Store(&reason)
	_, err := s.Publish(t.Context())
	for what, err := range map[string]error{"Publish": err, "Keep": s.Keep(t.Context(), "", "", nil), "Ready": s.Ready(t.Context())} {
		if err == nil || !strings.HasSuffix(err.Error(), reason) {
			t.Errorf("%s returns %v", what, err)
		}
	}
	waits, forwarded := func(context.Context) bool { return false }, func(context.Context) bool { return true }
	if err := l.reopen(t.Context(), nil, waits); err != nil {
		t.Errorf("it cannot be opened, but ends with %v", err)
	}
	if err := l.reopen(t.Context(), nil, forwarded); err == nil || !strings.Contains(err.Error(), "everything in it was forwarded") {
		t.Errorf("what is forwarded ends with %v", err)
	}
	full = nil
	if err := l.reopen(t.Context(), nil, waits); err == nil || !strings.Contains(err.Error(), "("+reason+") and there is room again") {
		t.Errorf("with room it ends with %v", err)
	}
}

package publish_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

func openBucket(t *testing.T) *publish.Bucket {
	t.Helper()
	_, conn := publishtest.Serve(t, nil)
	return &publish.Bucket{Reach: func() (*publish.Conn, error) { return conn, nil }, Name: "CRM_STATE", Replicas: 1}
}

// Of two callers that loaded the same value, one can save it; the other gets ErrConflict.
func TestBucketIsChangedByOne(t *testing.T) {
	state := openBucket(t)
	sealed, err := publish.NewSealed(state, "a secret")
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]interface {
		Load(ctx context.Context, key string) ([]byte, uint64, error)
		Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	}{"plain": state, "sealed": sealed} {
		ctx := t.Context()
		if value, revision, err := store.Load(ctx, name); value != nil || revision != 0 || err != nil {
			t.Errorf("%s: before anything was saved: %q %d %v", name, value, revision, err)
		}
		first, err := store.Save(ctx, name, []byte("one"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Save(ctx, name, []byte("another"), 0); !errors.Is(err, publish.ErrConflict) {
			t.Errorf("%s: a second creation: %v", name, err)
		}
		second, err := store.Save(ctx, name, []byte("two"), first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Save(ctx, name, []byte("late"), first); !errors.Is(err, publish.ErrConflict) {
			t.Errorf("%s: a late change: %v", name, err)
		}
		if value, revision, err := store.Load(ctx, name); string(value) != "two" || revision != second || err != nil {
			t.Errorf("%s: read back %q %d %v", name, value, revision, err)
		}
	}
}

// A sealed value cannot be read from the bucket, with another secret, or under another key.
func TestSealedIsUnreadable(t *testing.T) {
	state := openBucket(t)
	sealed, err := publish.NewSealed(state, "a secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Save(t.Context(), "token", []byte("the-access-token"), 0); err != nil {
		t.Fatal(err)
	}
	raw, _, err := state.Load(t.Context(), "sealed.token")
	if err != nil || len(raw) == 0 || bytes.Contains(raw, []byte("access")) {
		t.Errorf("the bucket holds %q: %v", raw, err)
	}
	other, err := publish.NewSealed(state, "another secret")
	if err != nil {
		t.Fatal(err)
	}
	if value, _, err := other.Load(t.Context(), "token"); err == nil || !strings.Contains(err.Error(), "BRIDGE_STATE_KEY") {
		t.Errorf("another key reads %q: %v", value, err)
	}
	if _, err := state.Save(t.Context(), "sealed.moved", raw, 0); err != nil {
		t.Fatal(err)
	}
	if value, _, err := sealed.Load(t.Context(), "moved"); err == nil {
		t.Errorf("a value that was moved reads %q", value)
	}
}

// A value that cannot be read is an error of the whole list: callers never take a part of it for all.
func TestBucketListsAllOrNothing(t *testing.T) {
	state := openBucket(t)
	if _, err := state.Save(t.Context(), "journal.a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	conn, err := state.Reach()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.JetStream().Publish(t.Context(), "$KV.CRM_STATE.journal.b!", []byte("2")); err != nil {
		t.Fatal(err)
	}
	if listed, err := state.List(t.Context(), "journal."); err == nil || len(listed) > 0 {
		t.Errorf("%v, %v", listed, err)
	}
}

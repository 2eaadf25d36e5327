package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// A drain brings what is in the journal to the remote first, and then notes the journal as closed and empty, so that a store
// with direct delivery does not warn of it. While a journal of another host holds events, that one does.
func TestDrainForwardsAndNotes(t *testing.T) {
	remote := openFar(t)
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	s := open(t, c)
	until(t, func() bool { return len(s.Status(t.Context()).Warnings) == 0 })
	err := s.Run(t.Context(), func(<-chan error) error {
		until(t, func() bool { return s.Status(t.Context()).Interrupted == nil })
		for i := range 50 {
			if err := put(t, s, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return s.Drain(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	js := remote.js(t)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil || stream.CachedInfo().State.Msgs != 50 {
		t.Fatalf("the remote holds %+v, %v", stream, err)
	}
	bucket, err := js.KeyValue(t.Context(), "CRM_STATE")
	if err != nil {
		t.Fatal(err)
	}
	note, err := bucket.Get(t.Context(), "journal.this-journal")
	if err != nil || !strings.Contains(string(note.Value()), `"pending":0,"closed":true`) {
		t.Errorf("the note is %s, %v", note.Value(), err)
	}
	if _, err := bucket.PutString(t.Context(), "journal.another", `{"host":"host-2","folder":"/data","pending":3,"closed":true}`); err != nil {
		t.Fatal(err)
	}
	c = config(t)
	c.Remote, c.Direct = publish.Address{URL: remote.url}, true
	direct := open(t, c)
	running(t, direct)
	until(t, func() bool { return len(direct.Status(t.Context()).Warnings) > 0 })
	if got := direct.Status(t.Context()).Warnings; len(got) != 1 || !strings.Contains(got[0], `"host-2" holds events (3)`) || !strings.Contains(got[0], "delete key journal.another of bucket CRM_STATE") {
		t.Errorf("the warnings are %q", got)
	}
}

// For as long as a drain lasts the journal is noted: a note that is not renewed looks like that of a bridge which has died.
func TestDrainingJournalIsNoted(t *testing.T) {
	remote := openFar(t)
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	s := open(t, c)
	ended, end := context.WithCancel(t.Context())
	end()
	err := s.Run(ended, func(<-chan error) error {
		js := remote.js(t)
		until(t, func() bool {
			bucket, err := js.KeyValue(t.Context(), "CRM_STATE")
			if err != nil {
				return false
			}
			note, err := bucket.Get(t.Context(), "journal.this-journal")
			return err == nil && !strings.Contains(string(note.Value()), "closed")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return s.Drain(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}

// A stream of the embedded server that its owner deletes loses the store: only a new start makes it again.
func TestDeletedStreamLosesTheStore(t *testing.T) {
	c := config(t)
	s := open(t, c)
	lost := running(t, s)
	if err := owner(t, s).DeleteStream(t.Context(), "CRM_QUARANTINE"); err != nil {
		t.Fatal(err)
	}
	if err := <-lost; !strings.Contains(err.Error(), "stream CRM_QUARANTINE of the embedded server was deleted") {
		t.Error(err)
	}
}

package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
)

// A person finds an event in the running bridge, sees it and the next ones live, and replays it.
func TestEventsOfTheRunningBridge(t *testing.T) {
	source := batches{&atomic.Bool{}}
	b, callbacks := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	post := func(body string) {
		t.Helper()
		answer, err := http.Post(callbacks+"/acme/webhooks", "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status)
		}
	}
	post(`[2,4,6,8]`)
	page, err := b.Events.Page(ctx, search.Query{Selection: replay.Selection{Record: "6"}})
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("found %+v: %v", page, err)
	}
	one, err := b.Events.Event(ctx, page.Events[0].Sequence)
	if err != nil || one.Subject != "crm.zoho.Deals.edit" || !bytes.Equal(one.Data, page.Events[0].Data) {
		t.Errorf("%+v: %v", one, err)
	}
	if _, err := b.Events.Event(ctx, 1000); !errors.Is(err, publish.ErrNoMessage) {
		t.Error(err)
	}

	errEnough := errors.New("enough")
	var live []uint64
	err = b.Events.Follow(ctx, search.Tail{From: 3, Each: func(m publish.Stored) error {
		if live = append(live, m.Sequence); m.Sequence == 4 {
			post(`[20]`)
		}
		if m.Sequence == 5 {
			return errEnough
		}
		return nil
	}})
	if !errors.Is(err, errEnough) || !slices.Equal(live, []uint64{3, 4, 5}) {
		t.Errorf("live: %d: %v", live, err)
	}

	name, err := b.Replays.Start(ctx, replay.Order{Selection: replay.Selection{Record: "6"}})
	if err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil {
		all, err := b.Replays.List(ctx)
		if err != nil || len(all) != 1 || all[0].Name != name || all[0].State == replay.Failed {
			t.Fatalf("%+v: %v", all, err)
		}
		if all[0].State == replay.Done {
			if all[0].Tally.Events != 1 || all[0].Tally.Read != 5 {
				t.Errorf("%+v", all[0])
			}
			break
		}
		time.Sleep(time.Millisecond)
	}
	if removed, err := b.Replays.Delete(ctx, name); err != nil || removed != 1 {
		t.Errorf("removed %d: %v", removed, err)
	}
}

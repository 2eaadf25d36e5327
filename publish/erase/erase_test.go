package erase_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// Everything of a record leaves its streams and their files, in either content mode; nothing else does.
func TestErase(t *testing.T) {
	h := open(t)
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		h.event(mode, "one", "Deals", "victim", "7")
		h.event(mode, "one", "Deals", "victim", "8", "7")
		h.event(mode, "one", "Deals", "other record 7", "77")
		h.event(mode, "one", "Deals", "other record 7", "8", "9")
		h.event(mode, "one", "Contacts", "other module", "7")
	}
	h.put(&nats.Msg{Subject: "crm.acme.Deals.edit", Data: []byte(`of another program: 7`)})
	h.put(&nats.Msg{Subject: "crm.acme.Deals.edit", Header: nats.Header{"content-type": {"application/cloudevents+json"}}, Data: []byte(`{"specversion":"1.0","id":"x","source":"/","type":"t","data":"7"}`)})
	h.state("one", "7", `{"Name":"victim"}`)
	h.state("one", "7", "null")
	h.state("one", "8", `{"Name":"7"}`)
	h.callback(`{"provider":"acme","account":"one","ids":["7"]}`)
	h.callback(`{"provider":"acme","account":"one","ids":["7","8"]}`)
	h.callback(`{"provider":"acme","account":"one","ids":["8"]}`)
	h.callback(`{"provider":"other","account":"one","ids":["7"]}`)
	h.callback(`victim: {"id":"7" broken`)
	h.callback(`not: {"id":"77" 17 _7 broken`)
	want := map[string]erase.Found{
		"CRM":            {Stream: "CRM", Deleted: 4, WithOthers: 2},
		"CRM_QUARANTINE": {Stream: "CRM_QUARANTINE", Deleted: 3, WithOthers: 1, InText: 1},
		"CRM_RECORDS":    {Stream: "CRM_RECORDS", Deleted: 2},
	}
	before := h.held("CRM")
	for _, dryRun := range []bool{true, false} {
		if got := h.run(h.eraser(), dryRun); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("dry run %t: it found %+v, not %+v", dryRun, got, want)
		}
		if dryRun && fmt.Sprint(h.held("CRM")) != fmt.Sprint(before) {
			t.Error("the dry run has changed the stream")
		}
	}
	if found := h.files("victim"); len(found) > 0 {
		t.Errorf("the record is still in %q", found)
	}
	after := h.held("CRM")
	for sequence, text := range before {
		if left, ok := after[sequence]; strings.Contains(text, "victim") == ok || ok && left != text {
			t.Errorf("message %d was %s, and is %s", sequence, text, left)
		}
	}
	if quarantined, states := h.held("CRM_QUARANTINE"), h.held("CRM_RECORDS"); len(quarantined) != 3 || len(states) != 1 {
		t.Errorf("the quarantine holds %v, and the states are %v", quarantined, states)
	}
}

// A reason for which a consumer gave up on a message is erased where it names the record; a sequence with its number is not.
func TestEraseReason(t *testing.T) {
	h := open(t)
	publishtest.EnsureStream(t, h.conn, "CRM_DEAD", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.CRM.*")
	for _, advisory := range []string{`{"stream_seq":7,"reason":"deal 77"}`, `{"stream_seq":8,"reason":"deal 7: no victim"}`, `{"stream_seq":7}`} {
		h.put(&nats.Msg{Subject: "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.CRM.billing", Data: []byte(advisory)})
	}
	eraser := h.eraser()
	eraser.Parts = eraser.Parts[1:2]
	eraser.Parts[0].Stream, eraser.Parts[0].Erased = "CRM_DEAD", nil
	eraser.Parts[0].Rare = true
	if got := h.run(eraser, false)["CRM_DEAD"]; got.Deleted != 1 || len(h.held("CRM_DEAD")) != 2 {
		t.Errorf("it erased %+v, and left %v", got, h.held("CRM_DEAD"))
	}
	again := h.eraser()
	again.Parts, again.Parts[1].Stream, again.Parts[1].Erased, again.Parts[1].Rare = again.Parts[1:2], "CRM_DEAD", nil, true
	if got := h.run(again, false); len(got) > 0 {
		t.Errorf("it reports %v, where nothing is left", got)
	}
}

// A record that several accounts have is erased of the one that is named; without a name nothing is.
func TestAccounts(t *testing.T) {
	h := open(t)
	h.event(publish.Structured, "one", "Deals", "text", "7")
	h.event(publish.Structured, "two", "Deals", "text", "7")
	h.state("two", "7", `{}`)
	var several *erase.AccountsError
	if _, err := h.eraser().Run(t.Context(), false); !errors.As(err, &several) || strings.Join(several.Accounts, ",") != "one,two" {
		t.Fatalf("without an account it ended with %v", err)
	}
	e := h.eraser()
	e.Record.Account = "two"
	if got := h.run(e, false); got["CRM"].Deleted != 1 || got["CRM_RECORDS"].Deleted != 1 {
		t.Errorf("of the account it erased %+v", got)
	}
	if held := h.held("CRM"); len(held) != 1 || !strings.Contains(held[1], `"one"`) {
		t.Errorf("left is %v", held)
	}
}

// A stream that somebody else made is changed only if that is asked for; before, nothing is erased anywhere.
func TestForeign(t *testing.T) {
	h := open(t)
	if _, err := h.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"theirs.>"}}); err != nil {
		t.Fatal(err)
	}
	h.event(publish.Structured, "one", "Deals", "text", "7")
	h.put(&nats.Msg{Subject: "theirs.acme.Deals.edit", Header: nats.Header{"content-type": {"application/cloudevents+json"}}, Data: []byte(h.held("CRM")[1])})
	eraser := func(foreign bool) *erase.Eraser {
		e := h.eraser()
		e.Foreign = foreign
		e.Parts = append(e.Parts, &erase.Part{Stream: "THEIRS", Reach: e.Parts[0].Reach, Subjects: e.Parts[0].Subjects})
		return e
	}
	if _, err := eraser(false).Run(t.Context(), false); err == nil || !strings.Contains(err.Error(), "stream THEIRS was not made by crm-bridge") {
		t.Errorf("it ended with %v", err)
	}
	if got := h.run(eraser(false), true); !got["THEIRS"].Foreign || got["THEIRS"].Deleted != 1 || got["CRM"].Deleted != 1 {
		t.Errorf("the dry run found %+v", got)
	}
	if got := h.run(eraser(true), false); got["THEIRS"].Deleted != 1 || got["CRM"].Deleted != 1 {
		t.Errorf("it erased %+v", got)
	}
}

// What comes for the record while it is erased is erased too.
func TestEraseWhatComesMeanwhile(t *testing.T) {
	h := open(t)
	h.event(publish.Structured, "one", "Deals", "victim", "7")
	e, searches := h.eraser(), 0
	e.Before = func(context.Context) error {
		if searches++; searches < 4 {
			h.event(publish.Structured, "one", "Deals", "victim", "7")
			h.state("one", "7", `{"Name":"victim"}`)
		}
		return nil
	}
	if got := h.run(e, false); got["CRM"].Deleted != 4 || got["CRM_RECORDS"].Deleted != 3 {
		t.Errorf("it erased %+v", got)
	}
	if found := h.files("victim"); len(found) > 0 {
		t.Errorf("the record is still in %q", found)
	}
}

// An erasure that was interrupted after any message is finished by the next one, which syncs all streams.
func TestInterruptedErase(t *testing.T) {
	h := open(t)
	for range 3 {
		h.event(publish.Structured, "one", "Deals", "victim", "7")
		h.state("one", "7", `{"Name":"victim"}`)
	}
	broken := errors.New("interrupted")
	for left := 6; left > 0; left-- {
		e := h.eraser()
		for _, p := range e.Parts {
			p.Erased = func(context.Context) error { return broken }
		}
		if _, err := e.Run(t.Context(), false); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	e, synced := h.eraser(), map[string]bool{}
	for _, p := range e.Parts {
		p.Erased = func(context.Context) error { synced[p.Stream] = true; return nil }
	}
	if got := h.run(e, false); got["CRM"].Deleted+got["CRM_RECORDS"].Deleted != 0 || !synced["CRM"] || !synced["CRM_RECORDS"] {
		t.Errorf("the last one erased %+v and synced %v", got, synced)
	}
	if found := h.files("victim"); len(found) > 0 {
		t.Errorf("the record is still in %q", found)
	}
}

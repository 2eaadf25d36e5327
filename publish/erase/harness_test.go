package erase_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// house is a server with the streams of a bridge.
type house struct {
	t    *testing.T
	dir  string
	conn *publish.Conn
	js   jetstream.JetStream
	sent int
}

func open(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir()}
	_, h.conn = publishtest.Serve(t, func(c *embedded.Config) { c.Dir = h.dir })
	h.js = h.conn.JetStream()
	for name, subject := range map[string]string{"CRM": "crm.>", "CRM_RECORDS": "crm-records.>", "CRM_QUARANTINE": "crm-quarantine.>"} {
		publishtest.EnsureStream(t, h.conn, name, subject)
	}
	return h
}

// eraser erases record 7 of acme's deals.
func (h *house) eraser() *erase.Eraser {
	part := func(stream string, subjects func(erase.Record) []string) *erase.Part {
		return &erase.Part{
			Stream: stream, Reach: func() (*publish.Conn, error) { return h.conn, nil }, Subjects: subjects,
			Erased: func(context.Context) error { return disk.SyncStream(h.dir, stream) },
		}
	}
	return &erase.Eraser{
		Record: erase.Record{Provider: "acme", Module: "Deals", ID: "7"},
		Parts: []*erase.Part{
			part("CRM", func(r erase.Record) []string { return []string{"*." + r.Provider + "." + r.Module + ".*"} }),
			part("CRM_QUARANTINE", nil),
			part("CRM_RECORDS", func(r erase.Record) []string { return []string{"*.acme.*.Deals." + r.ID} }),
			part("CRM_ABSENT", nil),
		},
		Names: erase.Names{Callback: decode},
	}
}

// decode reads a callback of these tests: its body is {"provider","account","ids"}, or anything else that cannot be decoded.
func decode(body []byte) (of erase.Callback, ok bool) {
	var was struct {
		Provider, Account string
		IDs               []string
	}
	if json.Unmarshal(body, &was) != nil {
		return erase.Callback{Provider: "acme", Text: [][]byte{body}}, true
	}
	of = erase.Callback{Provider: was.Provider, Account: was.Account}
	for _, id := range was.IDs {
		of.Changes = append(of.Changes, erase.Record{Provider: was.Provider, Account: was.Account, Module: "Deals", ID: id})
	}
	return of, true
}

// event stores an event, and returns its sequence.
func (h *house) event(mode publish.Mode, account, module, text string, ids ...string) uint64 {
	h.t.Helper()
	data, err := json.Marshal(map[string]any{"provider": "acme", "account": account, "module": module, "operation": "edit", "ids": ids, "native": text})
	if err != nil {
		h.t.Fatal(err)
	}
	h.sent++
	e := &cloudevent.Event{ID: fmt.Sprint(h.sent), Type: "crm.acme." + module + ".edit", Source: "https://acme.example/", Data: data}
	e.Extensions = []cloudevent.Extension{{Name: "crmaccount", Value: account}, {Name: "crmmodule", Value: module}, {Name: "crmoperation", Value: "edit"}, {Name: "crmprovider", Value: "acme"}}
	if len(ids) == 1 {
		e.Subject = ids[0]
	}
	return h.put(publish.Message("crm.acme."+module+".edit", e, mode))
}

func (h *house) put(msg *nats.Msg) uint64 {
	h.t.Helper()
	ack, err := h.js.PublishMsg(h.t.Context(), msg)
	if err != nil {
		h.t.Fatal(err)
	}
	return ack.Sequence
}

// state stores a state of record id; after is null for a deletion.
func (h *house) state(account, id, after string) {
	e := &cloudevent.Event{
		ID: "state", Type: "crm.record.acme.Deals", Source: "https://acme.example/", Subject: id,
		Data: fmt.Appendf(nil, `{"provider":"acme","account":%q,"module":"Deals","id":%q,"after":%s}`, account, id, after),
	}
	h.put(publish.Message("crm-records.acme."+account+".Deals."+id, e, publish.Structured))
}

func (h *house) callback(body string) {
	h.put(&nats.Msg{Subject: "crm-quarantine.acme-webhooks", Header: nats.Header{"crm-quarantine-id": {"id"}}, Data: []byte(body)})
}

// held returns what a stream holds, by sequence.
func (h *house) held(stream string) map[uint64]string {
	h.t.Helper()
	all := map[uint64]string{}
	if err := h.conn.ReadPages(h.t.Context(), stream, 1, func(m publish.Stored) error {
		all[m.Sequence] = string(m.Data)
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// files returns the files of the server in which a text is.
func (h *house) files(text string) (found []string) {
	h.t.Helper()
	if err := filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return found
}

func (h *house) run(e *erase.Eraser, dryRun bool) map[string]erase.Found {
	h.t.Helper()
	all, err := e.Run(h.t.Context(), dryRun)
	if err != nil {
		h.t.Fatal(err)
	}
	of := map[string]erase.Found{}
	for _, one := range all {
		of[one.Stream] = one
	}
	return of
}

package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// scrub erases the messages of a stream that have a text in them, and overwrites those that the stream has deleted before.
func scrub(t *testing.T, of store.Holding, text string) {
	t.Helper()
	erase(t, of, text)
	if err := of.Scrub(t.Context(), func(m publish.Stored) bool { return bytes.Contains(m.Data, []byte(text)) }); err != nil {
		t.Fatal(err)
	}
}

// States that newer ones have replaced leave the files with the last one. After a kill the server, which reads the files then, would
// otherwise find them again.
func TestEraseReplacedStates(t *testing.T) {
	c := config(t)
	c.RecordsHistory = 1
	s := open(t, c)
	if _, err := s.Records(t.Context()); err != nil {
		t.Fatal(err)
	}
	js := owner(t, s)
	put := func(id, text string) {
		msg := &nats.Msg{Subject: "crm-records.acme.one.Deals." + id, Data: []byte(text), Header: nats.Header{"content-type": {"application/json"}}}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		for _, text := range []string{"first-victim", "second-victim", "bystander"} {
			put(text, fmt.Sprintf("%s %d", text, i))
		}
	}
	of, _ := holdings(t, s)
	for _, victim := range []string{"first-victim", "second-victim"} { // the second has the server write the block again, from its memory
		scrub(t, of["CRM_RECORDS"], victim)
	}
	for _, victim := range []string{"first-victim", "second-victim"} {
		if found := filesWith(t, c.Server.Dir, victim); len(found) > 0 {
			t.Errorf("%s is still in %q", victim, found)
		}
	}
	put("bystander", "bystander 5")
	killed := c
	killed.Server.Dir, killed.Registry = filepath.Join(t.TempDir(), "killed"), prometheus.NewRegistry()
	if err := os.CopyFS(killed.Server.Dir, os.DirFS(c.Server.Dir)); err != nil {
		t.Fatal(err)
	}
	s = open(t, killed)
	conn, err := s.Reach()
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	if err := conn.ReadPages(t.Context(), "CRM_RECORDS", 1, func(m publish.Stored) error {
		held = append(held, string(m.Data))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(held) != 1 || held[0] != "bystander 5" {
		t.Errorf("after a kill the stream holds %q", held)
	}
}

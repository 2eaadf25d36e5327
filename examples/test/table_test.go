package test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// table is the example that keeps a table of deals.
type table struct {
	process
	file, subject string
}

func newTable(t *testing.T, b *bridge, env ...string) *table {
	d := &table{file: filepath.Join(t.TempDir(), "deals.db"), subject: "crm.zoho.Deals.*"}
	d.process = process{name: "deals-table", args: []string{filepath.Join(programs, "deals-table")}, said: &said{}}
	d.env = append(env, "NATS_URL="+b.nats, "TABLE_FILE="+d.file, "TABLE_LISTEN=127.0.0.1:0")
	return d
}

var address = regexp.MustCompile(`the table is at (http://\S+)`)

// shown is the table on the program's page.
type shown struct {
	Read  map[string]uint64
	Deals []deal
}

// show returns the program's table; none while it is not running.
func (d *table) show(t *testing.T) (s shown) {
	t.Helper()
	all := address.FindAllSubmatch(d.said.from(0), -1)
	if all == nil {
		return s
	}
	response, err := http.Get(string(all[len(all)-1][1]) + "/deals")
	if err != nil {
		return s
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the table answers %d %s: %v", response.StatusCode, text, err)
	}
	exact(t, text, &s)
	return s
}

// reads returns the table's position in the stream.
func (d *table) reads(t *testing.T) uint64 { return d.show(t).Read[d.subject] }

// hasAll reports whether the table has read the acknowledged events.
func (d *table) hasAll(t *testing.T, acknowledged []answered) bool {
	reads := d.reads(t)
	return !slices.ContainsFunc(acknowledged, func(a answered) bool { return strings.HasPrefix(a.Subject, "crm.zoho.Deals.") && a.Sequence > reads })
}

// compare waits until the table has read the last event, and compares it with the table of all events.
func (d *table) compare(t *testing.T, all []stored) {
	t.Helper()
	var last uint64
	for _, e := range all {
		if strings.HasPrefix(e.subject, "crm.zoho.Deals.") {
			last = e.sequence
		}
	}
	until(t, 60*time.Second, func() string { return fmt.Sprintf("the table reads up to %d, not %d\n%s", d.reads(t), last, d.said) }, func() bool { return d.reads(t) >= last })
	want, got := deals(all), d.show(t).Deals
	if len(want) < 10 {
		t.Errorf("there are %d deals, too few for a test", len(want))
	}
	for i := range min(len(want), len(got)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("the table shows\n%+v\nnot\n%+v", got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("the table shows %d deals, not %d", len(got), len(want))
	}
}

// rebuild removes the table's file.
func (d *table) rebuild(t *testing.T, all []stored) {
	t.Helper()
	d.kill(t)
	if err := os.Remove(d.file); err != nil {
		t.Fatal(err)
	}
	d.start(t)
	d.compare(t, all)
}

// fromReplay makes a table of a replay's events alone.
func (d *table) fromReplay(t *testing.T, b *bridge, all []stored) {
	t.Helper()
	password, err := os.ReadFile(filepath.Join(b.dir, "nats-password"))
	if err != nil {
		t.Fatal(err)
	}
	js := jetStream(t, b.nats, nats.UserInfo("crm-bridge", strings.TrimSpace(string(password))), nats.CustomInboxPrefix("_crm_bridge"))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}}); err != nil {
		t.Fatal(err)
	}
	replay := newTable(t, b, "STREAM=CRM_REPLAY", "SUBJECT=crm-replay.again.zoho.Deals.*")
	replay.subject = "crm-replay.again.zoho.Deals.*"
	replay.start(t)
	replayed := make([]stored, len(all))
	for i, e := range all {
		msg := &nats.Msg{Subject: strings.Replace(e.subject, "crm.", "crm-replay.again.", 1), Header: maps.Clone(e.header), Data: e.text}
		maps.DeleteFunc(msg.Header, func(name string, _ []string) bool { return strings.HasPrefix(name, "Nats-") }) // from the bridge to its own server
		ack, err := js.PublishMsg(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		replayed[i] = e
		replayed[i].sequence = ack.Sequence
	}
	replay.compare(t, replayed)
}

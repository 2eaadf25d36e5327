package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// table is the example that keeps a table of deals.
type table struct {
	process
	crm  *crm
	file string
}

func newTable(t *testing.T, b *bridge) *table {
	d := &table{crm: b.crm, file: filepath.Join(t.TempDir(), "deals.db")}
	d.process = process{name: "deals-table", args: []string{filepath.Join(programs, "deals-table")}, said: &said{}}
	d.env = []string{"NATS_URL=" + b.nats, "TABLE_FILE=" + d.file, "TABLE_LISTEN=127.0.0.1:0"}
	return d
}

var address = regexp.MustCompile(`the table is at (http://\S+)`)

// shown is the table on the program's page.
type shown struct {
	Read  uint64
	Deals map[string]map[string]any // by partitionkey
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
func (d *table) reads(t *testing.T) uint64 { return d.show(t).Read }

// compare waits until the table is that of the CRM.
func (d *table) compare(t *testing.T, account string) {
	t.Helper()
	want := d.crm.deals()
	if len(want) < 10 {
		t.Errorf("there are %d deals, too few for a test", len(want))
	}
	var differs string
	until(t, 90*time.Second, func() string { return fmt.Sprintf("the table is not that of the CRM: %s\n%s", differs, d.said) }, func() bool {
		differs = difference(t, want, d.show(t).Deals, "zoho/"+account+"/Deals/")
		return differs == ""
	})
}

// difference returns how the rows of a table differ from the CRM's deals; empty if they do not.
func difference(t *testing.T, want map[string]values, got map[string]map[string]any, prefix string) string {
	t.Helper()
	for id, deal := range want {
		row, ok := got[prefix+id]
		if !ok {
			return "without " + id
		}
		for field, text := range deal {
			var value any
			if exact(t, text, &value); !reflect.DeepEqual(row[field], value) {
				return fmt.Sprintf("%s of %s is %v and not %v", field, id, row[field], value)
			}
		}
	}
	for key := range got {
		if want[strings.TrimPrefix(key, prefix)] == nil {
			return "with " + key
		}
	}
	return ""
}

// rebuild removes the table's file.
func (d *table) rebuild(t *testing.T, account string) {
	t.Helper()
	d.kill(t)
	if err := os.Remove(d.file); err != nil {
		t.Fatal(err)
	}
	d.start(t)
	d.compare(t, account)
}

package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// crm is a Zoho CRM with an API. It reports its changes when the load asks for it.
type crm struct {
	fake *zohotest.CRM
	env  []string // of a bridge that reads its deals

	mu      sync.Mutex
	records map[string]map[string]values // by module and id, as they are
	changed []string                     // ids of the deals that may be changed; the others stay as they were before the bridge started
	stamp   int64
}

// values are those of a record or a change, by field, as JSON.
type values map[string]json.RawMessage

// fields are those of each record: the bridge asks for them once in 15 minutes.
var fields = []string{"Amount", "Closing_Date", "Lead_Source", "Stage"}

// startCRM starts a CRM that has 20 deals, of which the load changes the half.
func startCRM(t *testing.T) *crm {
	t.Helper()
	c := &crm{fake: &zohotest.CRM{ClientID: "client", ClientSecret: "client-secret", RefreshToken: "refresh-token"}, records: map[string]map[string]values{"Deals": {}, "Contacts": {}}}
	api := httptest.NewServer(c.fake)
	t.Cleanup(api.Close)
	c.env = []string{
		"BRIDGE_ZOHO_CLIENT_ID=client", "BRIDGE_ZOHO_CLIENT_SECRET=client-secret", "BRIDGE_ZOHO_REFRESH_TOKEN=refresh-token", "BRIDGE_ZOHO_TOKEN_SECRET=secret-of-the-channels",
		"BRIDGE_ZOHO_ACCOUNTS_URL=" + api.URL, "BRIDGE_ZOHO_API_URL=" + api.URL, "BRIDGE_ZOHO_RECORDS=Deals",
	}
	c.fake.SetSkew(-time.Hour) // they are that old
	defer c.fake.SetSkew(0)
	for i := range 20 {
		id := c.create(t, "Deals", values{"Stage": json.RawMessage(fmt.Sprintf(`"as before %d"`, i))})
		if i%2 == 0 {
			c.changed = append(c.changed, id)
		}
	}
	return c
}

func (c *crm) create(t *testing.T, module string, of values) string {
	whole := values{}
	for _, field := range fields {
		whole[field] = json.RawMessage("null")
	}
	maps.Copy(whole, of)
	id, err := c.fake.Create(module, whole.asAny())
	if err != nil {
		t.Error(err)
	}
	c.records[module][id] = whole
	return id
}

func (v values) asAny() map[string]any {
	all := map[string]any{}
	for name, value := range v {
		all[name] = value
	}
	return all
}

// change changes one or two records at random, and returns the callback about it.
func (c *crm) change(t *testing.T, random *rand.Rand) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	module, operation := pick("Deals", "Deals", "Deals", "Deals", "Contacts"), pick("update", "update", "update", "update", "update", "insert", "delete")
	some := slices.Sorted(maps.Keys(c.records[module]))
	if module == "Deals" {
		some = c.changed
	}
	switch {
	case len(some) < 5:
		operation = "insert"
	case len(some) > 40 && operation == "insert":
		operation = "delete"
	}
	var ids []string
	if operation != "insert" {
		first := random.IntN(len(some))
		for i := range 1 + random.IntN(2) {
			ids = append(ids, some[(first+i)%len(some)])
		}
	} else {
		ids = []string{""}
	}
	affected, reported := []map[string][]string{}, []map[string]any{}
	for i, id := range ids {
		if operation == "delete" {
			c.delete(t, module, id)
			continue
		}
		changes, names, known := values{}, []string{}, values{}
		for _, field := range fields {
			if random.IntN(2) == 0 {
				continue
			}
			changes[field] = json.RawMessage(pick("null", `"<new> & ünïcode"`, `{"name":"Zoë","id":"5725767000000411001"}`, fmt.Sprintf("%d.10", random.IntN(10_000)), "12345678901234567890.1234567890"))
			if names = append(names, field); random.IntN(5) > 0 {
				known[field] = changes[field]
			}
		}
		if operation == "insert" {
			id = c.create(t, module, changes)
			if ids[i] = id; module == "Deals" {
				c.changed = append(c.changed, id)
			}
		} else {
			maps.Copy(c.records[module][id], changes)
			if err := c.fake.Update(module, id, changes.asAny()); err != nil {
				t.Error(err)
			}
		}
		if affected = append(affected, map[string][]string{id: names}); random.IntN(5) > 0 {
			reported = append(reported, map[string]any{"record_id": id, "values": known})
		}
	}
	c.stamp = max(c.stamp+1, c.fake.Now().UnixMilli()) // no two changes have the same time
	body, err := json.Marshal(map[string]any{
		"server_time": c.stamp, "module": module, "operation": operation, "ids": ids, "affected_fields": affected, "affected_values": reported,
		"resource_uri": "https://www.zohoapis.com/crm/v2/" + module, "query_params": map[string]string{}, "channel_id": "1000000068001", "token": token,
	})
	if err != nil {
		t.Error(err)
	}
	return body
}

func (c *crm) delete(t *testing.T, module, id string) {
	delete(c.records[module], id)
	c.changed = slices.DeleteFunc(slices.Clone(c.changed), func(other string) bool { return other == id })
	if err := c.fake.Delete(module, id); err != nil {
		t.Error(err)
	}
}

// deals returns the deals as they are.
func (c *crm) deals() map[string]values {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]values{}
	for id, of := range c.records["Deals"] {
		all[id] = maps.Clone(of)
	}
	return all
}

package transform_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/transform"
)

// What a callback costs from its decoded change to the bytes of its events, by the size of its body and what the body is made of.
func BenchmarkWire(b *testing.B) {
	m := mapping(b)
	for kind, piece := range map[string]string{
		"plain":    `{"id":"5725767000003000010","Deal_Name":"Zoe and Sons","Stage":"Closed Won","Amount":12500.50,"Owner":{"name":"Zoe Example","email":"zoe@example.com"}}`,
		"escapes":  `{"id":"5725767000003000010","note":"Zo\u00eb \u0026 S\u00f6hne: 100%25 \"sure\" &amp; c:\\x\\y https:\/\/example.com\/a?b=c%20d&e"}`,
		"XML":      `"<row><id>5725767000003000010</id><Deal_Name>Zoe &amp; Sons</Deal_Name><Stage>Closed Won</Stage>\n</row>"`,
		"credible": `{"id":"5725767000003000010","note":"our author has 3 tokens, see https://example.com/a?token=abc and zoe@example.com"}`,
	} {
		for _, size := range []int{1 << 10, 16 << 10, 1 << 20} {
			c := change()
			c.IDs, c.Fields, c.Values = []string{"1"}, nil, nil
			c.NativeBody = json.RawMessage(`{"module":"Deals","token":"a-token-of-some-length","rows":[` + strings.TrimSuffix(strings.Repeat(piece+",", size/len(piece)+1), ",") + `]}`)
			b.Run(fmt.Sprintf("%s/%dKB", kind, size>>10), func(b *testing.B) { benchmarkWire(b, m, c) })
		}
	}
}

// The same for a callback of many records, in record mode.
func BenchmarkRecords(b *testing.B) {
	m := mapping(b)
	m.PerRecord = true
	for _, records := range []int{1, 100} {
		b.Run(fmt.Sprint(records), func(b *testing.B) { benchmarkWire(b, m, manyRecords(records)) })
	}
}

// manyRecords is a notification of records, each with its fields and values.
func manyRecords(records int) ingest.Change {
	c := change()
	c.IDs, c.Fields, c.Values, c.Divided = nil, map[string][]string{}, map[string]json.RawMessage{}, []string{"ids", "affected_fields", "affected_values"}
	var ids, fields, values []string
	for i := range records {
		id := fmt.Sprint(5725767000003000000 + i)
		value := json.RawMessage(`{"Stage":"Closed Won","Amount":12500.50}`)
		c.IDs, c.Values[id], c.Fields[id] = append(c.IDs, id), value, []string{"Stage", "Amount"}
		ids, fields = append(ids, `"`+id+`"`), append(fields, `{"`+id+`":["Stage","Amount"]}`)
		values = append(values, `{"record_id":"`+id+`","values":`+string(value)+`}`)
	}
	c.NativeBody = json.RawMessage(`{"server_time":1718115953625,"module":"Deals","resource_uri":"https://www.zohoapis.com/crm/v2/Deals","token":"a-token-of-some-length","ids":[` + strings.Join(ids, ",") +
		`],"affected_fields":[` + strings.Join(fields, ",") + `],"affected_values":[` + strings.Join(values, ",") + `]}`)
	return c
}

func benchmarkWire(b *testing.B, m *transform.Mapping, c ingest.Change) {
	b.ReportAllocs()
	b.SetBytes(int64(len(c.NativeBody)))
	var events []cloudevent.Event
	for b.Loop() {
		var err error
		if events, err = m.Events(c); err != nil {
			b.Fatal(err)
		}
		for i := range events {
			events[i].AppendJSON(make([]byte, 0, events[i].Size()))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
}

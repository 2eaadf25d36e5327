package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// fill publishes messages of these sizes on crm.a and crm.b in turns.
func fill(t *testing.T, js jetstream.JetStream, sizes ...int) {
	t.Helper()
	for i, size := range sizes {
		if _, err := js.Publish(t.Context(), "crm."+string(rune('a'+i%2)), bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
	}
}

func sizesOf(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func openSpan(t *testing.T, conn *publish.Conn, bounds publish.Bounds, subjects ...string) *publish.Span {
	t.Helper()
	span, err := conn.OpenSpan(t.Context(), "CRM", subjects, bounds)
	if err != nil {
		t.Fatal(err)
	}
	span.Patience = 10 * time.Second
	return span
}

// Messages of any size that the server takes are read, large ones among small ones, each once.
func TestSpanReadsLargeMessages(t *testing.T) {
	server, conn := publishtest.Open(t, func(c *embedded.Config) { c.MaxPayload = 8 << 20 })
	js := administrator(t, server)
	sizes := append(append(sizesOf(1500, 100), 7<<20, 10, 5<<20, 5<<20), sizesOf(20, 600<<10)...)
	fill(t, js, sizes...)
	span := openSpan(t, conn, publish.Bounds{})
	var got []int
	if err := span.Each(t.Context(), func(m publish.Stored) error {
		got = append(got, len(m.Data))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sizes, got); diff != "" {
		t.Errorf("%.1000s", diff)
	}
}

// A subject that the stream neither takes nor holds is a mistake, and named; one that it took once is none.
func TestSpanNamesAForeignSubject(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	js := administrator(t, server)
	fill(t, js, 10, 10)
	for _, subjects := range [][]string{{"crn.>"}, {"crm.a", "crn.a"}} {
		if _, err := conn.OpenSpan(t.Context(), "CRM", subjects, publish.Bounds{}); err == nil || !strings.Contains(err.Error(), "nothing in it can have the subject crn.") {
			t.Errorf("%v: %v", subjects, err)
		}
	}
	if _, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"other.>"}}); err != nil {
		t.Fatal(err)
	}
	if n, err := openSpan(t, conn, publish.Bounds{}, "crm.>").Count(t.Context(), 0); err != nil || n != 2 {
		t.Errorf("counted %d, %v", n, err)
	}
}

// What comes later is not in a span, and what leaves the stream does not keep it from its end.
func TestSpanEnds(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	js := administrator(t, server)
	fill(t, js, sizesOf(6000, 100)...)
	span := openSpan(t, conn, publish.Bounds{From: 3}, "crm.a", "crm.*", "crm.b")
	if n, err := span.Count(t.Context(), 0); err != nil || n != 5998 {
		t.Errorf("counted %d, %v", n, err)
	}
	only := openSpan(t, conn, publish.Bounds{To: 101}, "crm.a")
	if n, err := only.Count(t.Context(), 50); err != nil || n != 26 {
		t.Errorf("of one subject counted %d, %v", n, err)
	}
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	read := 0
	err = span.Each(t.Context(), func(m publish.Stored) error {
		if m.Sequence <= last {
			return fmt.Errorf("%d came after %d", m.Sequence, last)
		}
		last = m.Sequence
		if read++; read == 10 {
			fill(t, js, sizesOf(10, 10)...)
			return stream.Purge(t.Context(), jetstream.WithPurgeSequence(5990))
		}
		return nil
	})
	if err != nil || last != 6000 || read < 21 {
		t.Errorf("read %d, up to %d: %v", read, last, err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Consumers != 0 {
		t.Errorf("%d consumers are left, %v", info.State.Consumers, err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := span.Each(t.Context(), func(publish.Stored) error { return errors.New("read") }); err != nil {
		t.Error(err)
	}
}

// A span begins and ends where it is told to, in sequences and in time, for several subjects too.
func TestSpanBounds(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	js := administrator(t, server)
	fill(t, js, sizesOf(20, 10)...)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	at := func(sequence uint64) time.Time {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		return msg.Time
	}
	if _, err := js.Publish(t.Context(), "crm.late", nil); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		bounds      publish.Bounds
		subjects    []string
		first, last uint64
		n           int
	}{
		"all":               {first: 1, last: 21, n: 21},
		"since":             {bounds: publish.Bounds{Since: at(5)}, first: 5, last: 21, n: 17},
		"since on two":      {bounds: publish.Bounds{Since: at(5)}, subjects: []string{"crm.a", "crm.late"}, first: 5, last: 21, n: 9},
		"until":             {bounds: publish.Bounds{Until: at(5)}, first: 1, last: 4, n: 4},
		"the later begin":   {bounds: publish.Bounds{Since: at(5), From: 9, To: 12}, first: 9, last: 12, n: 4},
		"the earlier end":   {bounds: publish.Bounds{Until: at(5), To: 12}, first: 1, last: 4, n: 4},
		"nothing since":     {bounds: publish.Bounds{Since: time.Now().Add(time.Hour)}, first: 22, last: 21},
		"nothing until":     {bounds: publish.Bounds{Until: at(1)}, first: 1, last: 0},
		"another's subject": {subjects: []string{"crm.c"}, first: 1, last: 21},
	} {
		span := openSpan(t, conn, test.bounds, test.subjects...)
		n := 0
		if err := span.Each(t.Context(), func(publish.Stored) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		if span.First != test.first || span.Last != test.last || n != test.n {
			t.Errorf("%s: from %d to %d, %d messages; not from %d to %d, %d", name, span.First, span.Last, n, test.first, test.last, test.n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := openSpan(t, conn, publish.Bounds{}).Each(ctx, func(publish.Stored) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("when it was ended: %v", err)
	}
}

// A stored event is given on one line as it stands; what only looks like one is not.
func TestStoredJSON(t *testing.T) {
	header := nats.Header{"content-type": {"application/cloudevents+json"}}
	nested := strings.Repeat("[", 9*jsontext.MaxDepth) + strings.Repeat("]", 9*jsontext.MaxDepth) // which another program stored
	for text, want := range map[string]string{
		`{"specversion":"1.0","id":"1","type":"t","source":"s","data":12345678901234567890.10}`:                `{"specversion":"1.0","id":"1","type":"t","source":"s","data":12345678901234567890.10}`,
		"{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\",\"source\":\"s\",\"data\":{\"a\":[1,\r\n2.50]}}": `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":[1,2.50]}}`,
		`{"specversion":"1.0","id":"1","type":"t","source":"s","data":{}}}`:                                    "",
		`{"specversion":"1.0","id":"1","type":"t","source":"s","data":` + nested + `}`:                         `{"specversion":"1.0","id":"1","source":"s","type":"t","data":` + nested + `}`,
		`{"a":1}`: "",
	} {
		got, err := publish.Stored{Header: header, Data: []byte(text)}.JSON()
		if string(got) != want && err == nil || (err != nil) != (want == "") {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
}

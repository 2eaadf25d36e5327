package publish_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A span of some sequences alone has those messages, in order: not those beyond it, of other subjects, or that have left the stream.
func TestSpanOfSomeSequences(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	for n := range 8 {
		subject := fmt.Sprintf("crm.acme.%s.edit", []string{"Deals", "Leads"}[n/6])
		if _, err := conn.JetStream().Publish(t.Context(), subject, fmt.Append(nil, n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Erase(t.Context(), "CRM", 3); err != nil {
		t.Fatal(err)
	}
	span, err := conn.OpenSpan(t.Context(), "CRM", []string{"crm.acme.Deals.>"}, publish.Bounds{From: 2})
	if err != nil {
		t.Fatal(err)
	}
	span.Only = []uint64{5, 1, 3, 7, 2, 99, 5}
	read := func(each func(m publish.Stored) error) (sequences []uint64, err error) {
		err = span.Each(t.Context(), func(m publish.Stored) error {
			if string(m.Data) != fmt.Sprint(m.Sequence) || m.At.IsZero() || !strings.HasPrefix(m.Subject, "crm.acme.Deals.") {
				t.Errorf("%+v", m)
			}
			sequences = append(sequences, m.Sequence)
			return each(m)
		})
		return sequences, err
	}
	if got, err := read(func(publish.Stored) error { return nil }); err != nil || !slices.Equal(got, []uint64{2, 5}) {
		t.Errorf("it has %v, %v", got, err)
	}
	if n, err := span.Count(t.Context(), 3); err != nil || n != 3 { // 3, 5 and 7, as far as it is known without reading them
		t.Errorf("it counts %d, %v", n, err)
	}
	enough := errors.New("enough")
	if got, err := read(func(publish.Stored) error { return enough }); !errors.Is(err, enough) || len(got) != 1 {
		t.Errorf("it read %v, and ended with %v", got, err)
	}
	span.Only = []uint64{}
	if got, err := read(func(publish.Stored) error { return nil }); err != nil || len(got) > 0 {
		t.Errorf("a span of no sequence has %v, %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	span.Only = []uint64{2}
	if err := span.Each(ended, func(publish.Stored) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// A span of some sequences of a stream that was made again has nothing of the new one.
func TestSpanOfSomeSequencesOfAnotherStream(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	span, err := conn.OpenSpan(t.Context(), "CRM", nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.JetStream().DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	publishtest.EnsureStream(t, conn, "CRM", "crm.>")
	if _, err := conn.JetStream().Publish(t.Context(), "crm.acme.Deals.edit", []byte("new")); err != nil {
		t.Fatal(err)
	}
	span.Only, span.Last = []uint64{1}, 1
	err = span.Each(t.Context(), func(m publish.Stored) error {
		t.Errorf("it has %+v", m)
		return nil
	})
	if !errors.As(err, new(publish.MisfitError)) {
		t.Errorf("%v", err)
	}
}

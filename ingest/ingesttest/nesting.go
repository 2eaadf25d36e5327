package ingesttest

import (
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Nesting checks where bodies of JSON nest too deep: of makes an authenticated callback whose body has a value one level down.
// encode writes the events of a change. What nests deeper than jsontext.MaxDepth, in the body or in its event, is malformed.
func Nesting(t *testing.T, source ingest.Source, of func(value string) ingest.Callback, encode func(ingest.Change) ([][]byte, error)) {
	t.Helper()
	const event = 3 // levels that an event has around the body: itself, its data, native
	for _, test := range []struct {
		levels          int // of the body
		decoded, stored bool
	}{
		{jsontext.MaxDepth - event, true, true},
		{jsontext.MaxDepth - event + 1, true, false},
		{jsontext.MaxDepth, true, false},
		{jsontext.MaxDepth + 1, false, false},
		{100 * jsontext.MaxDepth, false, false},
	} {
		cb := of(strings.Repeat("[", test.levels-1) + `"a"` + strings.Repeat("]", test.levels-1))
		if err := source.Verify(t.Context(), cb); err != nil {
			t.Errorf("%d levels are not authenticated: %v", test.levels, err)
		}
		changes, err := source.Decode(cb)
		if (err == nil) != test.decoded || err != nil && !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%d levels are decoded: %v", test.levels, err)
		}
		for _, change := range changes {
			if events, err := encode(change); (err == nil) != test.stored || err != nil && !errors.Is(err, ingest.ErrMalformed) {
				t.Errorf("%d levels make %d events: %v", test.levels, len(events), err)
			}
		}
	}
}

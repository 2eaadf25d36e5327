package publish

import (
	"encoding/json"
	"testing"
)

// An acknowledgement that is read by hand says what a JSON parser reads in it.
func FuzzParseAck(f *testing.F) {
	for _, text := range []string{
		`{"stream":"CRM","seq":7}`, `{"stream":"CRM","seq":7,"duplicate": true}`, `{"stream":"CRM","seq":}`, `{"stream":"CRMX","seq":7}`,
		`{"stream":"CRM","seq":9999999999999999999}`, `{"stream":"CRM","seq":99999999999999999999}`, `{"stream":"CRM","seq":7.5}`, `{"stream":"CRM","seq":007}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ack, ok := parseAck(data, "CRM")
		if !ok {
			return
		}
		var want struct {
			Stream    string
			Seq       uint64
			Duplicate bool
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if ack.Stream != want.Stream || ack.Sequence != want.Seq || ack.Duplicate != want.Duplicate {
			t.Errorf("%s is read as %+v", data, ack)
		}
	})
}

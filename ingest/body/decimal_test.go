package body_test

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// A number keeps its value and every digit, whatever its notation; what is not one is refused.
func TestDecimal(t *testing.T) {
	for raw, want := range map[string]string{
		"0": "0", "-0": "0", "12": "12", `"12"`: "12", `" 12 "`: "12", `"007"`: "7", "-5": "-5", "1.50": "1.5", "1.0": "1", "1e2": "100", "1.25E+1": "12.5", "12e-1": "1.2",
		"1e-3": "0.001", "0.05e1": "0.5", "1.718115953625E12": "1718115953625", "1234567890123456789012345678901234567890": "1234567890123456789012345678901234567890", "1e40": "10000000000000000000000000000000000000000",
	} {
		if got, ok := body.Decimal([]byte(raw)); got != want || !ok {
			t.Errorf("%s became %s", raw, got)
		}
	}
	for _, raw := range []string{"", "null", "true", "{}", "[1]", `""`, `"now"`, `"-"`, `"+1"`, `"1 2"`, `"0x10"`, `"1,5"`, `".5"`, "1e41", "1e-41", "1e999999999999999999999", `"1e999999999"`, "12345678901234567890123456789012345678901"} {
		if got, ok := body.Decimal([]byte(raw)); ok {
			t.Errorf("%s became %s", raw, got)
		}
	}
}

// FuzzDecimal: the plain notation is the same number.
func FuzzDecimal(f *testing.F) {
	for _, raw := range []string{"0", "1.718115953625E12", "-12.50e-3", "1e40", "0.0", `"1"`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		plain, ok := body.Decimal(raw)
		if !ok || len(raw) > 200 {
			return
		}
		var number json.Number
		if json.Unmarshal(raw, &number) != nil {
			return // a string with white space or zeros that JSON has not
		}
		want, given := new(big.Rat).SetString(number.String())
		got, read := new(big.Rat).SetString(plain)
		if !given || !read || want.Cmp(got) != 0 {
			t.Errorf("%s became %s", raw, plain)
		}
	})
}

// Units since 1970 become a time, to the nanosecond; what RFC 3339 cannot express does not.
func TestSinceEpoch(t *testing.T) {
	for plain, want := range map[string]time.Time{
		"1718115953625": time.UnixMilli(1718115953625), "1718115953625.25": time.Unix(1718115953, 625250000), "0.5": {}, "-1": {}, "": {}, "253402300800000": {}, "253402300799999": time.UnixMilli(253402300799999),
	} {
		if got := body.SinceEpoch(plain, time.Millisecond); !got.Equal(want) {
			t.Errorf("%s ms became %s", plain, got)
		}
	}
	if got := body.SinceEpoch("1746625426.123456789123", time.Second).Format(time.RFC3339Nano); got != "2025-05-07T13:43:46.123456789Z" {
		t.Error(got)
	}
}

// A whole number of up to 30 digits is one, however large; nothing else is.
func TestIsInteger(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-9223372036854775808": true, "123456789012345678901234567890": true, "1234567890123456789012345678901": false,
		"": false, "-": false, "1.0": false, "1e3": false, `"1"`: false, "null": false, "--1": false,
	} {
		if got := body.IsInteger([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

package pipedrive

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// timeOf reads a time of the API: RFC 3339, or in UTC with a space; zero for anything else.
func timeOf(raw json.RawMessage) time.Time {
	text, _ := body.TextOrInteger(raw)
	for _, layout := range []string{time.RFC3339, time.DateTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// lastSecond is the end of the year 5138. A larger number since 1970 counts milliseconds.
const lastSecond = 1e11

// timestamp reads meta.timestamp: RFC 3339 was seen, seconds since 1970 are documented; milliseconds and the API's times with a space are
// understood, too. Where it has another shape, the time is unknown.
func timestamp(raw json.RawMessage) time.Time {
	if at := timeOf(raw); !at.IsZero() {
		return at
	}
	plain, _ := body.Decimal(raw)
	if n, err := strconv.ParseFloat(plain, 64); err == nil && n > lastSecond {
		return body.SinceEpoch(plain, time.Millisecond)
	}
	return body.SinceEpoch(plain, time.Second)
}

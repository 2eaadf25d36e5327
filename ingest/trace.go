package ingest

import (
	"net/http"
	"regexp"
)

// traceLength is the length of a version 00 traceparent. Later versions may append more after a hyphen.
const traceLength = 55

var (
	traceParentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	traceParentInvalid = regexp.MustCompile(`^ff|^..-0{32}|^.{35}-0{16}`)
)

// TraceParent returns the first 55 characters of a request's W3C traceparent, the part that all versions share; empty unless there is
// exactly one and it is valid.
func TraceParent(header http.Header) string {
	values := header.Values("Traceparent")
	if len(values) != 1 || len(values[0]) < traceLength {
		return ""
	}
	value, rest := values[0][:traceLength], values[0][traceLength:]
	if !traceParentPattern.MatchString(value) || traceParentInvalid.MatchString(value) {
		return ""
	}
	if rest != "" && (rest[0] != '-' || value[:2] == "00") {
		return ""
	}
	return value
}

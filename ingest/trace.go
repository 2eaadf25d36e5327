package ingest

import (
	"net/http"
	"regexp"
)

// traceLength is that of a traceparent of version 00. Later versions begin with it, and may go on behind a hyphen.
const traceLength = 55

var (
	traceParentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	traceParentInvalid = regexp.MustCompile(`^ff|^..-0{32}|^.{35}-0{16}`)
)

// TraceParent returns the first 55 characters of a request's W3C traceparent, which every version begins with, or nothing
// where it is not a valid one, or not the only one.
func TraceParent(header http.Header) string {
	values := header.Values("traceparent")
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

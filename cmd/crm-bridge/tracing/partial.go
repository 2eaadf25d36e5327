package tracing

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// partial returns an error if an answer, an ExportTraceServiceResponse, says that spans were rejected. What cannot be read says nothing.
func partial(answer []byte) error {
	const partialSuccess, rejectedSpans = 1, 1
	success, _ := member(answer, partialSuccess)
	if _, rejected := member(success, rejectedSpans); rejected > 0 {
		return errors.New("the endpoint rejects some of the spans")
	}
	return nil
}

// member returns the bytes, or the number, of a member of a message of Protocol Buffers.
func member(message []byte, wanted protowire.Number) (text []byte, number uint64) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return text, number
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
			return text, number
		}
		if field == wanted {
			switch kind {
			case protowire.BytesType:
				text, _ = protowire.ConsumeBytes(message)
			case protowire.VarintType:
				number, _ = protowire.ConsumeVarint(message)
			}
		}
		message = message[n:]
	}
	return text, number
}

package publish

import (
	"encoding/json"
	"strconv"
	"time"
)

// AppendLine appends the message as a line of JSON: {"subject","sequence","storedAt","event"}. Where it is not an event, the
// line has its error in place of the event, in the words of plain, and the error is returned too.
func (s Stored) AppendLine(to []byte, plain func(error) string) ([]byte, error) {
	event, err := s.JSON()
	to = appendString(append(to, `{"subject":`...), s.Subject)
	to = strconv.AppendUint(append(to, `,"sequence":`...), s.Sequence, 10)
	to = s.At.UTC().AppendFormat(append(to, `,"storedAt":"`...), time.RFC3339Nano)
	if err != nil {
		to = appendString(append(to, `","error":`...), plain(err))
	} else {
		to = append(append(to, `","event":`...), event...)
	}
	return append(to, '}', '\n'), err
}

// appendString appends a text as JSON.
func appendString(to []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b == '"' || b == '\\' || b >= 0x7f {
			quoted, _ := json.Marshal(text) // of a string never fails
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

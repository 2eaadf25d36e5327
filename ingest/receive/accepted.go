package receive

import (
	"encoding/json"
	"strconv"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// quarantined is a callback in quarantine, or a part of one.
type quarantined struct {
	ID     string `json:"quarantineId"`
	Detail string `json:"detail"`
}

// acceptedBody returns the body of a 200: the events, and of a batch what is in quarantine, as encoding/json writes them.
func acceptedBody(acks []ingest.Ack, kept []quarantined) []byte {
	size := 24
	for _, ack := range acks {
		size += len(ack.ID) + len(ack.Subject) + len(ack.Stream) + 84 // beside its members' values
	}
	to := append(make([]byte, 0, size), `{"events":[`...)
	for i, ack := range acks {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendQuoted(append(to, `{"id":`...), ack.ID)
		to = appendQuoted(append(to, `,"subject":`...), ack.Subject)
		to = appendQuoted(append(to, `,"stream":`...), ack.Stream)
		to = strconv.AppendUint(append(to, `,"sequence":`...), ack.Sequence, 10)
		if ack.Duplicate {
			to = append(to, `,"duplicate":true`...)
		}
		to = append(to, '}')
	}
	to = append(to, ']')
	for i, one := range kept {
		if i == 0 {
			to = append(to, `,"quarantined":[`...)
		} else {
			to = append(to, ',')
		}
		to = appendQuoted(append(to, `{"quarantineId":`...), one.ID)
		to = append(appendQuoted(append(to, `,"detail":`...), one.Detail), '}')
	}
	if len(kept) > 0 {
		to = append(to, ']')
	}
	return append(to, '}')
}

// appendQuoted appends a text as a JSON string, with the escapes of encoding/json.
func appendQuoted(to []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b > '~' || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			quoted, _ := json.Marshal(text) // a string never fails
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

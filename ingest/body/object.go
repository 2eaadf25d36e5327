package body

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Object returns a callback's body, a JSON object, as UTF-8; it is the body itself if that is UTF-8. It is read by content: the charset
// of its Content-Type counts only where the body is not UTF-8. With an error, which wraps ErrMalformed, it returns the text as far as it
// could be read.
func Object(cb ingest.Callback) (json.RawMessage, error) {
	object, err := UTF8(cb.Body)
	if err != nil {
		_, _, charset, _ := Content(cb.Header.Get("Content-Type"))
		text, err := Text(cb.Body, charset)
		if object = []byte(text); err != nil {
			return object, err
		}
	}
	if !bytes.HasPrefix(bytes.TrimLeft(object, " \t\r\n"), []byte("{")) {
		return object, fmt.Errorf("%w: the body is not a JSON object", ingest.ErrMalformed)
	}
	if err := jsontext.Check(object); err != nil {
		return object, fmt.Errorf("%w: the body is %w", ingest.ErrMalformed, err)
	}
	return object, nil
}

package body

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Object returns a callback's body, a JSON object, as UTF-8. It is read by content: the charset of its Content-Type counts only where
// the body is not UTF-8. With an error, which wraps ErrMalformed, it returns the text as far as it could be read.
func Object(cb ingest.Callback) (json.RawMessage, error) {
	text, err := Text(cb.Body, nil)
	if err != nil {
		_, _, charset, _ := Content(cb.Header.Get("Content-Type"))
		text, err = Text(cb.Body, charset)
	}
	object := json.RawMessage(text)
	if err != nil {
		return object, err
	}
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return object, fmt.Errorf("%w: the body is not a JSON object", ingest.ErrMalformed)
	}
	if err := jsontext.Check(object); err != nil {
		return object, fmt.Errorf("%w: the body is %w", ingest.ErrMalformed, err)
	}
	return object, nil
}

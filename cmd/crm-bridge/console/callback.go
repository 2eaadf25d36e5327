package console

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// callbackView is what the template callback shows.
type callbackView struct{ quarantine.Kept }

// bodyShown bounds how much of a body is shown.
const bodyShown = 256 << 10

// Text is the body for a person: JSON is indented. It is empty where the body is not text.
func (v callbackView) Text() string {
	if !utf8.Valid(v.Body) {
		return ""
	}
	body := v.Body
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") == nil {
		body = indented.Bytes()
	}
	if len(body) > bodyShown {
		body = bytes.ToValidUTF8(body[:bodyShown], nil)
	}
	return terminal.VisibleLines(string(body))
}

// Cut reports whether the body is longer than what is shown of it.
func (v callbackView) Cut() bool { return len(v.Body) > bodyShown }

// IsRefused reports whether it is an event that the remote NATS rejected.
func (v callbackView) IsRefused() bool { return v.Source == quarantine.Refused }

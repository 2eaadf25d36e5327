package transform

import (
	"strings"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Most callbacks hold no secret but those under secret names. So their events are made without a search of any text, and then searched as a
// whole; only where that finds anything that may be a secret are they made once more, with each text searched.

// areFree reports whether neither a collection nor the data of any event may have a secret in a text. It is false where a text is encoded,
// and where the event may not be searched in place of its texts.
func (c *cleaner) areFree(collection string, events []cloudevent.Event) bool {
	if !c.isFree(collection) {
		return false
	}
	for i := range events {
		if !c.isFree(string(events[i].Data)) {
			return false
		}
	}
	return true
}

func (c *cleaner) isFree(text string) bool {
	return !isEncoded(text) && len(c.configured.in(text, nil)) == 0 && len(c.shown.in(text, nil)) == 0 &&
		!c.looks.hints.in(text) && !hasUser(text) && (c.rules.inText == nil || !c.rules.inText.in(text))
}

// isEncoded reports whether a text has a character that is encoded, or one that may stand for what was not UTF-8.
func isEncoded(text string) bool {
	return decoder(escape).first(text) < len(text) || strings.Contains(text, string(utf8.RuneError))
}

// isEncoded reports whether a text in what the CRM sent is encoded.
func (n native) isEncoded() bool {
	return isEncoded(n.operation) || isEncoded(n.body) || isEncoded(n.query) || isEncoded(n.xml)
}

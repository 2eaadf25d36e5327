package transform

import (
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Most callbacks hold no secret but those under secret names. So their events are made without a search of any text, and then searched as a
// whole; only where that finds anything that may be a secret are they made once more, with each text searched.

// whole returns the events of a change whose texts clean does not search. That of a change which is not divided is written in one go.
func (m *Mapping) whole(change *ingest.Change, sent native, clean *cleaner) ([]cloudevent.Event, error) {
	if m.PerRecord && (len(change.IDs) > 1 || len(change.Divided) > 0) {
		return m.made(change, sent, clean)
	}
	data, err := appendChange(make([]byte, 0, sizeOf(change)+sent.size()), change, clean)
	if err != nil {
		return nil, err
	}
	data, found, err := sent.appendTo(data, clean)
	if err != nil {
		return nil, err
	}
	if err := clean.learn(found, change.Secrets, plain(change)); err != nil {
		return nil, err
	}
	if err := clean.routable(change); err != nil {
		return nil, err
	}
	one, err := m.event(change, clean, append(data, '}'))
	return []cloudevent.Event{one}, err
}

// areFree reports whether neither a collection nor the data of any event may have a secret in a text. It is false where a text is encoded,
// and where the event may not be searched in place of its texts.
func (c *cleaner) areFree(collection string, events []cloudevent.Event) bool {
	if !isFree(collection, c) {
		return false
	}
	for i := range events {
		if !isFree(events[i].Data, c) {
			return false
		}
	}
	return true
}

func isFree[T haystack](text T, c *cleaner) bool {
	return !isEncoded(text) && len(needlesIn(text, c.configured, nil)) == 0 && len(needlesIn(text, c.shown, nil)) == 0 &&
		!mayMatch(text, c.looks) && !hasUser(text) && (c.rules.inText == nil || !hasWord(text, c.rules.inText))
}

// isEncoded reports whether a text has a character that is encoded, or one that may stand for what was not UTF-8.
func isEncoded[T haystack](text T) bool {
	return firstEncoded(text, escape) < len(text) || contains(text, string(utf8.RuneError))
}

// isEncoded reports whether a text in what the CRM sent is encoded.
func (n native) isEncoded() bool {
	return isEncoded(n.operation) || isEncoded(n.body) || isEncoded(n.query) || isEncoded(n.xml)
}

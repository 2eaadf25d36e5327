package schemas

// deepest is how far JSON may nest, as encoding/json has it.
const deepest = 10000

// text is a JSON text that is read from its beginning to its end, once.
type text struct {
	in    []byte
	at    int
	depth int
}

func notJSON() error { return wanted("must be JSON") }

// kind tells what the next value is by its first byte.
func (t *text) kind() kind {
	switch b := t.peek(); b {
	case '{', '[', '"', 't', 'n':
		return kind(b)
	case 'f':
		return aBoolean
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return aNumber
	}
	return noJSON
}

// quoted reads a string, and returns it as it is written, with its quotes.
func (t *text) quoted() ([]byte, error) {
	start := t.at
	if !t.skip('"') {
		return nil, notJSON()
	}
	for t.at < len(t.in) {
		switch b := t.in[t.at]; {
		case b == '"':
			t.at++
			return t.in[start:t.at], nil
		case b == '\\':
			if !t.escape() {
				return nil, notJSON()
			}
		case b < ' ':
			return nil, notJSON()
		default:
			t.at++
		}
	}
	return nil, notJSON()
}

func (t *text) escape() bool {
	t.at++
	switch t.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		t.at++
		return true
	case 'u':
		t.at++
		for range 4 {
			if b := t.peek(); (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f') {
				return false
			}
			t.at++
		}
		return true
	}
	return false
}

// literal reads a number, true, false or null.
func (t *text) literal(k kind) error {
	ok := false
	switch k {
	case aNumber:
		ok = t.number()
	case aBoolean:
		ok = t.word("true") || t.word("false")
	case aNull:
		ok = t.word("null")
	}
	if !ok {
		return notJSON()
	}
	return nil
}

func (t *text) number() bool {
	t.skip('-')
	if !t.skip('0') && !t.digits() {
		return false
	}
	if t.skip('.') && !t.digits() {
		return false
	}
	if t.skip('e') || t.skip('E') {
		_ = t.skip('+') || t.skip('-')
		return t.digits()
	}
	return true
}

func (t *text) digits() bool {
	start := t.at
	for b := t.peek(); b >= '0' && b <= '9'; b = t.peek() {
		t.at++
	}
	return t.at > start
}

func (t *text) word(word string) bool {
	if len(t.in)-t.at < len(word) || string(t.in[t.at:t.at+len(word)]) != word {
		return false
	}
	t.at += len(word)
	return true
}

func (t *text) space() {
	for t.at < len(t.in) && (t.in[t.at] == ' ' || t.in[t.at] == '\n' || t.in[t.at] == '\t' || t.in[t.at] == '\r') {
		t.at++
	}
}

// peek returns the next byte; 0, which no JSON begins with, at the end.
func (t *text) peek() byte {
	if t.at < len(t.in) {
		return t.in[t.at]
	}
	return 0
}

func (t *text) skip(b byte) bool {
	if t.peek() == b {
		t.at++
		return true
	}
	return false
}

package ingest

// ParseOnce returns what parse returns for a callback with a Parsed, and parses a body once: for Verify of each org, and for Decode. So an
// unauthenticated body costs one parse, however many orgs there are. Callers must not change the result.
func ParseOnce[T any](cb Callback, parse func(Callback) (T, error)) (T, error) {
	p := cb.Parsed
	if p == nil {
		return parse(cb)
	}
	if value, ok := p.value.(T); ok && sameBody(p.of, cb.Body) {
		return value, p.err
	}
	value, err := parse(cb)
	*p = Parsed{of: cb.Body, value: value, err: err}
	return value, err
}

// sameBody reports whether two bodies are one.
func sameBody(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

package transform

// Redacted returns what is kept of a JSON body of a source's callback.
func (r *Redactor) Redacted(source string, body []byte) ([]byte, error) {
	c := r.cleaner(source, "")
	return c.clean(nil, nil, func() ([]byte, []string, error) { return c.json(nil, string(body), nil) })
}

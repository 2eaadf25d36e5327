package transform

// Redacted returns what is kept of a JSON body of a source's callback.
func (r *Redactor) Redacted(source string, body []byte) ([]byte, error) {
	return r.cleaner(source, "", nil, nil, string(body)).json(nil, string(body))
}

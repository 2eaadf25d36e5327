package receive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// rawProblem returns an HTTP response with a problem document, for a connection without a handler.
func rawProblem(status int, detail string) []byte {
	body, err := json.Marshal(problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
	if err != nil {
		return nil // no member of it can fail
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
}

// ownError is what net/http writes between the status and the text of a request that it refuses itself.
var ownError = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// Write implements net.Conn. Requests that net/http refuses itself, such as one with too large a header, are answered with a problem
// document too.
func (o *conn) Write(p []byte) (int, error) {
	const before = len("HTTP/1.1 ")
	first, _, _ := bytes.Cut(p, []byte("\r\n"))
	if o.of.TLS || len(first) < before+3 || !bytes.HasPrefix(p[len(first):], ownError) {
		return o.Conn.Write(p)
	}
	status, err := strconv.Atoi(string(first[before : before+3]))
	if err != nil {
		return o.Conn.Write(p)
	}
	if _, err := o.Conn.Write(rawProblem(status, details[status])); err != nil {
		return 0, err
	}
	return len(p), nil
}

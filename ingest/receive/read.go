package receive

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	// firstRead is how many bytes are allocated for a body before any of it has arrived, whatever its declared length.
	firstRead = 4 << 10
	// maxDiscard is how many bytes of a body that is too large are read and discarded: a sender whose connection is closed while it still
	// sends never sees the answer.
	maxDiscard = 16 << 20
	// discardFor is how long the rest of a refused body is read and discarded.
	discardFor = time.Second
)

// firstBytes returns how much of a body is reserved and allocated before any of it has arrived.
func (h *Handler) firstBytes(r *http.Request) int64 {
	switch {
	case r.ContentLength > h.MaxBody:
		return 0
	case r.ContentLength >= 0:
		return min(firstRead, r.ContentLength)
	}
	return min(firstRead, h.MaxBody)
}

// readBody returns the whole body, or an echo.HTTPError, errCut, or an error that wraps ErrRetry. Of the body, first bytes are reserved
// already. It never allocates more than twice of what has arrived, and reserves it first.
func (h *Handler) readBody(r *http.Request, s *reservation, first int64) ([]byte, error) {
	if r.ContentLength > h.MaxBody {
		if r.Header.Get("Expect") == "" { // else it has not begun to send
			discard(r.Body, maxDiscard)
		}
		return nil, echo.ErrStatusRequestEntityTooLarge
	}
	most := h.MaxBody
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	body := make([]byte, 0, first)
	for {
		if len(body) == cap(body) && int64(cap(body)) < most {
			larger := min(2*int64(cap(body)), most)
			if err := s.grow(larger - int64(cap(body))); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, larger), body...)
		}
		into := body[len(body):cap(body)]
		if len(into) == 0 { // it is complete, unless it is too large
			into = make([]byte, 1)
		}
		n, err := r.Body.Read(into)
		if len(body)+n > cap(body) {
			s.shrink()
			discard(r.Body, maxDiscard)
			return nil, echo.ErrStatusRequestEntityTooLarge
		}
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) { // finish says whether it was cut
			_ = r.Body.Close() // else net/http looks for more of it before it answers
			return body, nil
		}
		if cut := s.progress(n); cut != nil {
			return nil, cut
		}
		switch {
		case err == nil:
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
			return nil, echo.ErrRequestTimeout
		default:
			return nil, echo.ErrBadRequest
		}
	}
}

// discard reads and discards at most so many bytes.
func discard(body io.Reader, most int64) { _, _ = io.CopyN(io.Discard, body, most) }

// discardRest discards the body of a refused request for a moment, so that its sender sees the answer.
func (h *Handler) discardRest(c echo.Context) {
	if c.Request().Header.Get("Expect") != "" {
		return // it has not begun to send
	}
	if http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(discardFor)) == nil {
		discard(c.Request().Body, h.MaxBody)
	}
}

// headerBytes estimates the memory of a request beside its body.
func headerBytes(r *http.Request) int64 {
	n := len(r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return int64(n)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

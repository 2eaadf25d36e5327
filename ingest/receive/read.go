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
	// firstRead is how much is allocated for a body before more of it has come, whatever length it declares.
	firstRead = 4 << 10
	// maxDiscard is how much of a body that is too long is read all the same: a sender whose connection is cut while it
	// still sends never sees the answer.
	maxDiscard = 16 << 20
	// discardFor is how long the rest of a body is read that is refused for a limit.
	discardFor = time.Second
)

// readBody returns the whole body, or an echo.HTTPError, errCut, or an error that wraps ErrRetry. What it allocates never
// exceeds twice of what has come, and is counted in s before.
func (h *Handler) readBody(r *http.Request, s *share) ([]byte, error) {
	if r.ContentLength > h.MaxBody {
		if r.Header.Get("Expect") == "" { // or else it has not begun to send
			discard(r.Body, maxDiscard)
		}
		return nil, echo.ErrStatusRequestEntityTooLarge
	}
	most := h.MaxBody
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	var body []byte
	for {
		if len(body) == cap(body) && int64(cap(body)) < most {
			larger := min(max(firstRead, 2*int64(cap(body))), most)
			if err := s.grow(larger - int64(cap(body))); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, larger), body...)
		}
		into := body[len(body):cap(body)]
		if len(into) == 0 { // it has come whole, unless it is too long
			into = make([]byte, 1)
		}
		n, err := r.Body.Read(into)
		if len(body)+n > cap(body) {
			s.shrink()
			discard(r.Body, maxDiscard)
			return nil, echo.ErrStatusRequestEntityTooLarge
		}
		body = body[:len(body)+n]
		if cut := s.progress(n); cut != nil {
			return nil, cut
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return body, nil
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
			return nil, echo.ErrRequestTimeout
		default:
			return nil, echo.ErrBadRequest
		}
	}
}

// discard reads on without keeping anything.
func discard(body io.Reader, most int64) { _, _ = io.CopyN(io.Discard, body, most) }

// discardRest reads on for a moment, so that the sender of a request that is refused sees the answer.
func (h *Handler) discardRest(c echo.Context) {
	if c.Request().Header.Get("Expect") != "" {
		return // it has not begun to send
	}
	if http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(discardFor)) == nil {
		discard(c.Request().Body, h.MaxBody)
	}
}

// headerBytes is about what a request holds beside its body.
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

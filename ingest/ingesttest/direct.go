package ingesttest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// Direct returns a transport that serves requests with handler, in memory and in the goroutine that asks. No socket is
// involved, so a testing/synctest bubble around it stays durably blocked where it should. A handler that panics with
// http.ErrAbortHandler has hung up, and one that waits for its request's context has let the caller's time run out.
func Direct(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

func (d transport) RoundTrip(request *http.Request) (response *http.Response, err error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	inner := request.Clone(request.Context())
	inner.RequestURI = request.URL.RequestURI()
	if inner.Host == "" {
		inner.Host = request.URL.Host
	}
	if request.Body == nil {
		inner.Body = http.NoBody
	} else {
		defer func() { _ = request.Body.Close() }()
	}
	defer func() {
		switch failure := recover(); failure {
		case nil:
		case http.ErrAbortHandler:
			response, err = nil, fmt.Errorf("the connection was closed: %w", io.ErrUnexpectedEOF)
		default:
			panic(failure)
		}
	}()
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, inner)
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	response = recorder.Result()
	response.Request = request
	return response, nil
}

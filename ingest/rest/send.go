package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Sender sends requests and reads their answers whole. It does not follow redirects, which would take secrets elsewhere.
type Sender struct {
	HTTP      *http.Client  // nil: http.DefaultClient
	Timeout   time.Duration // of a request and its answer; 0: 30 s
	MaxAnswer int64         // bytes of a body; a longer one is an error
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Unreachable says that no answer came, or not all of it: the request may have been carried out, and another attempt may
// succeed.
type Unreachable struct{ Err error }

func (u *Unreachable) Error() string { return u.Err.Error() }

func (u *Unreachable) Unwrap() error { return u.Err }

// Do sends a request. Its errors show no URL, which may hold a secret, and nothing secret of the request that the server sent back in an
// answer that cannot be read; they are *Unreachable but for an answer that is too long.
func (s Sender) Do(request *http.Request) (Answer, error) {
	caller, timeout := request.Context(), s.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(caller, timeout)
	defer cancel()
	answer, err := s.do(request.WithContext(ctx))
	if err == nil || errors.Is(err, ErrTooLong) {
		return answer, err
	}
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	if ctx.Err() != nil && caller.Err() == nil {
		err = fmt.Errorf("no answer within %s", timeout)
	}
	if text := Clean(err.Error(), shown(request)); text != err.Error() {
		err = errors.New(text)
	}
	return Answer{}, &Unreachable{err}
}

// shortest is the length from which a value of a query may be a secret.
const shortest = 8

// shown returns what a request shows to the server and no error may: what its query says, and who it is authorized by.
func shown(request *http.Request) []string {
	var all []string
	for _, values := range request.URL.Query() {
		all = append(all, values...)
	}
	for _, value := range append(request.Header.Values("Authorization"), request.Header.Values("X-Api-Token")...) {
		all = append(all, strings.Fields(value)...)
	}
	return slices.DeleteFunc(all, func(value string) bool { return len(value) < shortest })
}

// ErrTooLong says that an answer is longer than MaxAnswer.
var ErrTooLong = errors.New("the answer is too long")

func (s Sender) do(request *http.Request) (Answer, error) {
	client := http.Client{}
	if s.HTTP != nil {
		client = *s.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := traced(client.Do, request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, s.MaxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer broke off: %w", err)
	}
	if int64(len(body)) > s.MaxAnswer {
		return Answer{}, fmt.Errorf("%w: more than %d KiB", ErrTooLong, s.MaxAnswer>>10)
	}
	return Answer{response.StatusCode, response.Header, body}, nil
}

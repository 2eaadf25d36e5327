package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Endpoint is a target that posts events, one after the other. The job is saved after each, so that a run that died repeats
// at most the post that was under way. Set the fields once.
type Endpoint struct {
	immediate
	URL         string
	Header      http.Header // of every post
	Mode        publish.Mode
	SkipRefused bool          // leave out events that the endpoint rejects permanently
	Patience    time.Duration // how long a post that fails is tried again
	Again       func(error)   // called with why a post is tried again; nil: nothing is
}

const (
	// postTimeout is how long an endpoint may take for an answer.
	postTimeout = 30 * time.Second
	// firstPause and longestPause bound the wait before a post is repeated, where the endpoint does not say when.
	firstPause   = 200 * time.Millisecond
	longestPause = 30 * time.Second
	// answerRead is how much of an answer is read, so that its connection can be used again.
	answerRead = 64 << 10
)

// client does not follow redirects: the headers that it would send on may be secret.
var client = &http.Client{
	Timeout:       postTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Deliver implements Target.
func (t *Endpoint) Deliver(ctx context.Context, m publish.Stored) (Report, error) {
	event, err := m.Event()
	if err != nil {
		return Report{}, NotEventError{err}
	}
	header, body, err := m.In(t.Mode)
	if err != nil {
		return Report{}, NotEventError{err}
	}
	result := done(m.Sequence, Tally{Read: 1, Events: 1})
	if err := t.post(ctx, header, body); err != nil {
		refused := RefusedError{event.ID(), m.Subject, m.Sequence, err}
		switch {
		case ctx.Err() != nil:
			return Report{}, err
		case !errors.As(err, new(refusal)):
			return Report{}, about(event.ID(), m.Subject, m.Sequence, err)
		case !t.SkipRefused:
			return Report{}, refused
		}
		result.Counts, result.Skipped = Tally{Read: 1, Refused: 1}, []RefusedError{refused}
	}
	result.Save = true
	return result, nil
}

// refusal is an answer that another attempt would not change.
type refusal struct{ status string }

// Error says what was answered.
func (r refusal) Error() string { return "the endpoint answered " + r.status }

// post posts an event until the endpoint takes it, rejects it, or has failed for too long.
func (t *Endpoint) post(ctx context.Context, header map[string][]string, body []byte) error {
	began, pause := time.Now(), firstPause
	for {
		later, err := t.once(ctx, header, body)
		if err == nil || errors.As(err, new(refusal)) || ctx.Err() != nil {
			return err
		}
		later = max(later, pause/2+rand.N(pause/2+1)) //nolint:gosec // jitter
		pause = min(2*pause, longestPause)
		if took := time.Since(began); later > t.Patience-took {
			return fmt.Errorf("tried for %s, and the next attempt would be %s later: %w", took.Round(time.Second), later.Round(time.Second), err)
		}
		if t.Again != nil {
			t.Again(err)
		}
		if err := retry.Sleep(ctx, later); err != nil {
			return err
		}
	}
}

// once posts an event once. later is when the endpoint asks for another attempt; 0: it did not say.
func (t *Endpoint) once(ctx context.Context, header map[string][]string, body []byte) (later time.Duration, err error) {
	// From a bytes.Reader the client can send the body again on another connection, where the first is found closed.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return 0, withoutURL(err)
	}
	request.Header.Set("User-Agent", "crm-bridge")
	for name, values := range t.Header {
		request.Header[name] = values
	}
	if host := t.Header.Get("Host"); host != "" {
		request.Host = host
	}
	for name, values := range header {
		if values[0] != "" {
			request.Header.Set(name, values[0])
		}
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, withoutURL(err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, answerRead)
	_ = response.Body.Close()
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		return retry.After(response.Header), errors.New("the endpoint answered " + status(code))
	default:
		return 0, refusal{status(code)}
	}
}

// status is an answer without the words of the endpoint, which may repeat what it was sent.
func status(code int) string {
	text := strconv.Itoa(code) + " " + http.StatusText(code)
	if code >= 300 && code < 400 {
		text += ", and redirects are not followed"
	}
	return text
}

// withoutURL takes the URL, and the secrets in it, out of an error of the HTTP client.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// toHTTP posts events to an endpoint, one after the other. The job is kept after each, so that a run that died repeats at
// most the post that was under way.
type toHTTP struct {
	*replay
	client *http.Client
	url    string
	header http.Header
	mode   publish.Mode
	skip   bool // what the endpoint refuses
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

func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (t *toHTTP) begin(context.Context) error { return nil }

func (t *toHTTP) give(ctx context.Context, m publish.Stored) error {
	event, err := m.Event()
	if err != nil {
		return t.noEvent(ctx, m, err)
	}
	header, body, err := m.In(t.mode)
	if err != nil {
		return t.noEvent(ctx, m, err)
	}
	counts := tally{Read: 1, Events: 1}
	if err := t.post(ctx, header, body); err != nil {
		if ctx.Err() != nil {
			return err
		}
		named := fmt.Errorf("event %s (%s, sequence %d): %w", event.ID(), m.Subject, m.Sequence, err)
		if !errors.As(err, new(refusal)) {
			return fmt.Errorf("%w: %w; the same command with --job %s goes on from here", errForGood, named, t.job.Name)
		}
		if !t.skip {
			return fmt.Errorf("%w: %w; --job %s --skip-refused goes on without it", errForGood, named, t.job.Name)
		}
		t.bar.Say("skipped: %s", named)
		counts = tally{Read: 1, Refused: 1}
	}
	t.saved = time.Time{} // kept at once
	return t.done(ctx, m.Sequence, counts)
}

func (t *toHTTP) pass(ctx context.Context, m publish.Stored, counts tally) error {
	return t.done(ctx, m.Sequence, counts)
}

func (t *toHTTP) flush(context.Context) error { return nil }

func (t *toHTTP) keep(context.Context) error { return nil }

// refusal is an answer that no second attempt would change.
type refusal struct{ status string }

// Error says what was answered.
func (r refusal) Error() string { return "the endpoint answered " + r.status }

// post posts an event until the endpoint takes it, refuses it, or has failed for too long.
func (t *toHTTP) post(ctx context.Context, header map[string][]string, body []byte) error {
	began, pause := time.Now(), firstPause
	for {
		later, err := t.once(ctx, header, body)
		if err == nil || errors.As(err, new(refusal)) || ctx.Err() != nil {
			return err
		}
		later = max(later, pause/2+rand.N(pause/2+1)) //nolint:gosec // jitter
		pause = min(2*pause, longestPause)
		if took := time.Since(began); later > t.patience-took {
			return fmt.Errorf("tried for %s, and the next attempt would be %s later: %w", took.Round(time.Second), later.Round(time.Second), err)
		}
		t.bar.Again(err)
		if err := sleep(ctx, later); err != nil {
			return err
		}
	}
}

// once posts an event once. later is when the endpoint wants to be asked again; 0: it did not say.
func (t *toHTTP) once(ctx context.Context, header map[string][]string, body []byte) (later time.Duration, err error) {
	request, err := newPost(ctx, t.url, body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("User-Agent", "crm-bridge")
	for name, values := range t.header {
		request.Header[name] = values
	}
	if host := t.header.Get("Host"); host != "" {
		request.Host = host
	}
	for name, values := range header {
		if values[0] != "" {
			request.Header.Set(name, values[0])
		}
	}
	response, err := t.client.Do(request)
	if err != nil {
		return 0, withoutURL(err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, answerRead)
	_ = response.Body.Close()
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		return retryAfter(response.Header.Get("Retry-After"), time.Now()), errors.New("the endpoint answered " + status(code))
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

// retryAfter reads the header: seconds, or a date. 0: there is none that can be read.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now)
	}
	return 0
}

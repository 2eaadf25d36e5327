package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/ingest/trace"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Endpoint is a target that posts events, several at once where Parallel says so. The events of a record are posted in order, each when
// all before it were taken; those that name no record, in the order of their module. Set the exported fields once.
//
// The job notes the sequence up to which all is taken. A run that died repeats at most what was posted beyond that: with one post
// at once that one, else 24 for each.
type Endpoint struct {
	URL         string
	Header      http.Header // of every post
	Mode        publish.Mode
	SkipRefused bool          // leave out events that the endpoint rejects permanently
	Patience    time.Duration // how long a post that fails is tried again
	Again       func(error)   // called with why a post is tried again, by one goroutine at a time; nil: nothing is
	Parallel    int           // posts at once; 0: one

	client  *http.Client
	posting postings
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

// newClient returns a client that keeps so many connections. It does not follow redirects: the headers that it would send on may be
// secret.
func newClient(connections int) *http.Client {
	client := &http.Client{
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		transport := usual.Clone()
		transport.MaxIdleConnsPerHost = connections
		client.Transport = transport
	}
	return client
}

// Begin implements Target.
func (t *Endpoint) Begin(ctx context.Context, _, _ uint64) error {
	parallel := max(1, t.Parallel)
	if t.client == nil {
		t.client = newClient(parallel)
	}
	t.posting.begin(ctx, parallel)
	return nil
}

// Deliver implements Target. It waits behind the event until there is room for another one.
func (t *Endpoint) Deliver(ctx context.Context, m publish.Stored) (Report, error) {
	event, err := m.Event()
	if err != nil {
		return Report{}, NotEventError{err}
	}
	header, body, err := m.In(t.Mode)
	if err != nil {
		return Report{}, NotEventError{err}
	}
	id := event.ID()
	t.posting.add(len(body), recordsOf(event), func(ctx context.Context) (Report, error) {
		result := done(m.Sequence, Tally{Read: 1, Events: 1})
		err := t.post(ctx, header, body)
		switch refused := (RefusedError{id, m.Subject, m.Sequence, err}); {
		case err == nil:
			return result, nil
		case ctx.Err() != nil:
			return Report{}, err
		case !errors.As(err, new(refusal)):
			return Report{}, about(id, m.Subject, m.Sequence, err)
		case !t.SkipRefused:
			return Report{}, refused
		default:
			result.Counts, result.Skipped = Tally{Read: 1, Refused: 1}, []RefusedError{refused}
			return result, nil
		}
	})
	return t.posting.await(ctx, t.posting.full)
}

// Skip implements Target: what need not be posted is done when all before it is.
func (t *Endpoint) Skip(ctx context.Context, sequence uint64, counts Tally) (Report, error) {
	t.posting.skip(sequence, counts)
	return t.posting.await(ctx, t.posting.full)
}

// Flush implements Target.
func (t *Endpoint) Flush(ctx context.Context) (Report, error) {
	return t.posting.await(ctx, func() bool { return true })
}

// Sync implements Target.
func (t *Endpoint) Sync(context.Context) error { return nil }

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
		t.again(err)
		if err := retry.Sleep(ctx, later); err != nil {
			return err
		}
	}
}

func (t *Endpoint) again(err error) {
	if t.Again != nil {
		t.posting.mu.Lock()
		defer t.posting.mu.Unlock()
		t.Again(err)
	}
}

// once posts an event once. later is when the endpoint asks for another attempt; 0: it did not say.
func (t *Endpoint) once(ctx context.Context, header map[string][]string, body []byte) (later time.Duration, err error) {
	ctx, span := trace.Continue(ctx, parentIn(header), http.MethodPost, trace.Client)
	defer func() { endSpan(span, err) }()
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
	showTo(span, request)
	response, err := t.client.Do(request)
	if err != nil {
		return 0, withoutURL(err)
	}
	span.SetInt("http.response.status_code", response.StatusCode)
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

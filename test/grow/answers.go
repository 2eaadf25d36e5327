package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answerMillis is the target of an answer.
const answerMillis = 50

// question is a request whose answer is measured: the first after the start, and one in each round, some seconds apart, so that what
// is remembered for a moment is made again.
type question struct {
	what, method string
	url          func(b *bridge, n int) string
	first        bool // until its first line; else until its end
	long         bool // its length depends on how much there is: it has no target
}

var questions = []question{
	{what: "`/readyz`", url: admin("/readyz")},
	{what: "`/metrics`", url: admin("/metrics")},
	{what: "`/asyncapi.yaml`", url: public("/asyncapi.yaml")},
	{what: "`/asyncapi.html`", url: public("/asyncapi.html")},
	{what: "`channels`", url: admin("/channels")},
	{what: "`quarantine list`, its first line", url: admin("/quarantine?all=true"), first: true},
	{what: "`quarantine list`, whole", url: admin("/quarantine?all=true"), long: true},
	{what: "`quarantine show`", url: one("/quarantine/show?id="), first: true},
	{what: "`quarantine drop`", method: http.MethodPost, url: one("/quarantine/drop?id="), first: true},
}

func admin(path string) func(*bridge, int) string {
	return func(b *bridge, _ int) string { return "http://" + b.admin + path }
}

func public(path string) func(*bridge, int) string {
	return func(b *bridge, _ int) string { return "http://" + b.callbacks + path }
}

// one names a callback in quarantine: that which was kept in the n-th round.
func one(path string) func(*bridge, int) string {
	return func(b *bridge, n int) string { return "http://" + b.admin + path + b.kept[n] }
}

// pause is longer than any answer is remembered.
const pause = 6 * time.Second

// answers measures the answers of a bridge on the large store.
func (p plan) answers(ctx context.Context) (rows []row, err error) {
	b, err := p.start(ctx, p.store())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if b.token, err = b.secret("admin-token"); err != nil {
		return nil, err
	}
	for range p.rounds + 1 {
		if err := b.quarantine(ctx); err != nil {
			return nil, err
		}
	}
	firsts, later := make([]row, len(questions)), make([]row, len(questions))
	for n := range p.rounds + 1 {
		for i, q := range questions {
			took, err := b.ask(ctx, q, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q.what, err)
			}
			if n == 0 {
				firsts[i].rounds = []float64{millis(took)}
			} else {
				later[i].rounds = append(later[i].rounds, millis(took))
			}
		}
		if n < p.rounds {
			time.Sleep(pause)
		}
	}
	for i, q := range questions {
		most := float64(answerMillis)
		if q.long {
			most = 0
		}
		rows = append(rows, row{q.what + ", the first since the start", firsts[i].rounds, most, "ms"}, row{q.what + ", later", later[i].rounds, most, "ms"})
	}
	return rows, nil
}

// ask sends a request, and returns how long its answer took.
func (b *bridge) ask(ctx context.Context, q question, n int) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, q.method, q.url(b, n), nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Admin-Token", b.token)
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	body := bufio.NewReader(response.Body)
	_, err = body.ReadString('\n')
	took := time.Since(began)
	if !errors.Is(err, io.EOF) && !q.first {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return 0, err
		}
		took = time.Since(began)
	}
	_ = response.Body.Close()
	// That there are no channels without an API of the CRM is an answer too.
	if response.StatusCode != http.StatusOK && q.what != "`channels`" {
		return 0, fmt.Errorf("%s answers %s", request.URL.Path, response.Status)
	}
	return took, nil
}

package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// replayForm is what the template replay-new shows.
type replayForm struct {
	eventFilter
	From, Upto string
	Origins    []string
	Prefix     string
	Parallel   int // posts at once, at most
}

// form shows what to fill in; a search or an event that leads here has filled in what it selects.
func (p ReplayPages) form(r *http.Request) (any, error) {
	query := r.URL.Query()
	return replayForm{filterOf(query), query.Get("from"), query.Get("upto"), origins, p.Prefix, replay.MaxParallel}, nil
}

// order reads what a form asks to replay.
func order(form url.Values, now time.Time) (o replay.Order, err error) {
	filter := filterOf(form)
	query, err := filter.query(now)
	if err != nil {
		return o, err
	}
	o = replay.Order{Name: strings.TrimSpace(form.Get("name")), Subjects: query.Subjects, Since: query.Since, Until: query.Until, Selection: query.Selection}
	if o.From, err = sequence(form.Get("from")); err != nil {
		return o, err
	}
	if o.Upto, err = sequence(form.Get("upto")); err != nil {
		return o, err
	}
	if o.Options, err = options(form); err != nil {
		return o, err
	}
	if form.Get("target") != replay.ToSubject && o.Endpoint == nil {
		return o, errors.New("give the URL of the endpoint to which the events are posted")
	}
	return o, nil
}

// options reads how a form asks to replay.
func options(form url.Values) (o replay.Options, err error) {
	o = replay.Options{Mode: publish.Structured, SkipRefused: form.Get("skip") != ""}
	if text := strings.TrimSpace(form.Get("url")); text != "" && form.Get("target") != replay.ToSubject {
		if o.Endpoint, err = replay.ParseEndpoint(text); err != nil {
			return o, errors.New("the endpoint must be an http or https URL")
		}
	}
	if form.Get("mode") == string(publish.Binary) {
		o.Mode = publish.Binary
	}
	if text := form.Get("rate"); text != "" {
		if o.Rate, err = strconv.ParseFloat(text, 64); err != nil || !(o.Rate > 0 && o.Rate < 1e6) {
			return o, errors.New("the rate must be a number of events a second, such as 200")
		}
	}
	if text := form.Get("parallel"); text != "" {
		if o.Parallel, err = strconv.Atoi(text); err != nil || o.Parallel < 1 {
			return o, fmt.Errorf("posts at once must be 1 to %d", replay.MaxParallel)
		}
	}
	return o, nil
}

// sequence reads a sequence that may be left out.
func sequence(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, errors.New("a sequence is a number from 1 on")
	}
	return n, nil
}

// countTimeout bounds a dry run.
const countTimeout = 20 * time.Second

// maxCounted bounds the subjects that a dry run lists.
const maxCounted = 20

// askStart is the dry run: it counts what would be replayed.
func (p ReplayPages) askStart(ctx context.Context, form url.Values) (q Question, err error) {
	now := time.Now()
	o, err := order(form, now)
	if err != nil {
		return q, err
	}
	if o.Until.IsZero() {
		o.Until = now // what is stored while a person reads the count is not replayed
	}
	counting, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	counts, complete, err := p.Count(counting, o)
	if err != nil {
		return q, err
	}
	var total, others uint64
	for i, one := range counts {
		if total += one.Events; i < maxCounted {
			q.Details = append(q.Details, fmt.Sprintf("%s: %s, stored %s to %s", one.Subject, events(one.Events), one.First.UTC().Format(time.DateTime), one.Last.UTC().Format(time.DateTime)))
		} else {
			others += one.Events
		}
	}
	if others > 0 {
		q.Details = append(q.Details, fmt.Sprintf("%d further subjects: %s", len(counts)-maxCounted, events(others)))
	}
	if total == 0 && complete {
		return q, errors.New("nothing is selected: there is no event to replay")
	}
	least := ""
	if !complete {
		least = "at least "
		q.Details = append(q.Details, fmt.Sprintf("Counting was stopped after %s; all that is selected is replayed.", countTimeout))
	}
	keepTimes(form, o)
	if o.Name == "" { // so that a job begins once, however often the answer is sent
		o.Name = replay.NewName(now)
		form.Set("name", o.Name)
		form.Set("unnamed", "yes")
	}
	q.Text, q.Back = fmt.Sprintf("Replay %s%s to %s?", least, events(total), p.target(o)), "/console/replay-new?"+withoutURL(form).Encode()
	return q, nil
}

// keepTimes writes spans back from now as the times that they were when they were counted.
func keepTimes(form url.Values, o replay.Order) {
	for name, at := range map[string]time.Time{"since": o.Since, "until": o.Until} {
		if !at.IsZero() {
			form.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
}

// withoutURL returns what a form selects, without where it is replayed to: that may hold a secret, and belongs into no URL.
func withoutURL(form url.Values) url.Values {
	query := filterOf(form).Values()
	for _, name := range []string{"from", "upto"} {
		if value := form.Get(name); value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// target names where an order replays to, without secrets.
func (p ReplayPages) target(o replay.Order) string {
	if o.Endpoint != nil {
		return replay.ShownEndpoint(o.Endpoint)
	}
	return p.Prefix + "-replay." + o.Name + ".>"
}

func (p ReplayPages) start(ctx context.Context, form url.Values) (string, string, error) {
	o, err := order(form, time.Now())
	if err != nil {
		return "", "", err
	}
	name, err := p.Start(ctx, o)
	if form.Get("unnamed") != "" && (errors.Is(err, replay.ErrJobNamed) || errors.Is(err, replay.ErrJobRuns)) {
		return fmt.Sprintf("Job %s was started already.", o.Name), jobPath(o.Name), nil // by the same form
	}
	return fmt.Sprintf("Started job %s.", name), jobPath(name), err
}

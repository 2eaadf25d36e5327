package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// actions are the changes of a consumer. Those of the bridge's own are refused by what makes them.
func (p ConsumerPages) actions() map[string]Action {
	return map[string]Action{
		"pause":  {Label: "Pause", Ask: p.askPause, Do: p.pause},
		"resume": {Label: "Resume", Ask: p.askResume, Do: p.resume},
		"reset":  {Label: "Reset", Ask: p.askReset, Do: p.reset},
		"clear":  {Label: "Clear the list", Ask: p.askClear, Do: p.clear},
	}
}

// ask returns a question about the consumer that a form names.
func ask(form url.Values, text string, details ...string) Question {
	return Question{Text: text, Details: details, Back: consumerPath(form.Get("stream"), form.Get("name"))}
}

// named names the consumer of a form in a sentence.
func named(form url.Values) string {
	return fmt.Sprintf("consumer %s of stream %s", form.Get("name"), form.Get("stream"))
}

// done returns what an action on the consumer of a form returns.
func done(form url.Values, err error, text string) (string, string, error) {
	return text, consumerPath(form.Get("stream"), form.Get("name")), err
}

// span reads how long a consumer is paused.
func span(form url.Values) (time.Duration, error) {
	var d config.Duration
	if !config.OneOf(form.Get("for"), pauses...) || d.Decode(form.Get("for")) != nil {
		return 0, errors.New("choose how long the consumer is paused")
	}
	return time.Duration(d), nil
}

func (p ConsumerPages) askPause(_ context.Context, form url.Values) (Question, error) {
	_, err := span(form)
	return ask(form, fmt.Sprintf("Pause %s for %s?", named(form), form.Get("for")), "NATS sends it nothing until then, or until it is resumed.", "What it would be sent waits in the stream."), err
}

func (p ConsumerPages) pause(ctx context.Context, form url.Values) (string, string, error) {
	d, err := span(form)
	if err == nil {
		err = p.Pause(ctx, form.Get("stream"), form.Get("name"), time.Now().Add(d))
	}
	return done(form, err, fmt.Sprintf("Paused %s for %s.", named(form), form.Get("for")))
}

func (p ConsumerPages) askResume(_ context.Context, form url.Values) (Question, error) {
	return ask(form, fmt.Sprintf("Resume %s?", named(form)), "NATS sends it at once what has waited."), nil
}

func (p ConsumerPages) resume(ctx context.Context, form url.Values) (string, string, error) {
	return done(form, p.Resume(ctx, form.Get("stream"), form.Get("name")), fmt.Sprintf("Resumed %s.", named(form)))
}

// target reads where a consumer is reset to.
func target(form url.Values) (to consumers.Target, err error) {
	switch at := form.Get("at"); form.Get("to") {
	case "first":
		return consumers.Target{First: true}, nil
	case "sequence":
		if to.Sequence, err = strconv.ParseUint(at, 10, 64); err != nil || to.Sequence == 0 {
			return to, errors.New("give the sequence to which the consumer is reset, such as 1200")
		}
		return to, nil
	case "time":
		if at == "" {
			return to, errors.New("give the time to which the consumer is reset, such as 2026-11-01 or 36h")
		}
		to.Time, err = moment(at, time.Now())
		return to, err
	}
	return to, errors.New("choose where the consumer is reset to")
}

func (p ConsumerPages) askReset(ctx context.Context, form url.Values) (Question, error) {
	to, err := target(form)
	if err != nil {
		return Question{}, err
	}
	effect, err := p.Foresee(ctx, form.Get("stream"), form.Get("name"), to)
	if err != nil {
		return Question{}, err
	}
	form.Set("to", "sequence") // as it is foreseen: a span back from now would be another time when it is confirmed
	form.Set("at", strconv.FormatUint(effect.Sequence, 10))
	details := []string{fmt.Sprintf("It is sent %s again.", events(effect.Again))}
	if effect.Skipped > 0 {
		details = append(details, fmt.Sprintf("It is never sent %s that it has not been sent yet.", events(effect.Skipped)))
	}
	details = append(details, "What it was sent and has not acknowledged is forgotten.")
	return ask(form, fmt.Sprintf("Reset %s to sequence %d?", named(form), effect.Sequence), details...), nil
}

// events writes how many events there are.
func events(n uint64) string {
	if n == 1 {
		return "1 event"
	}
	return count(n) + " events"
}

func (p ConsumerPages) reset(ctx context.Context, form url.Values) (string, string, error) {
	to, err := target(form)
	if err == nil {
		err = p.Reset(ctx, form.Get("stream"), form.Get("name"), to)
	}
	return done(form, err, fmt.Sprintf("Reset %s to sequence %d.", named(form), to.Sequence))
}

func (p ConsumerPages) askClear(ctx context.Context, form url.Values) (Question, error) {
	upto, err := time.Parse(time.RFC3339Nano, form.Get("upto"))
	if err != nil {
		return Question{}, err
	}
	all, waiting, err := p.Clearable(ctx, form.Get("stream"), form.Get("name"), upto)
	if err != nil {
		return Question{}, err
	}
	q := ask(form, fmt.Sprintf("Clear the list of what %s gave up on?", named(form)), fmt.Sprintf("It has %s, %s not replayed.", events(uint64(all)), count(uint64(waiting))), "The events stay in their stream. The bridge forgets that the consumer gave up on them.")
	q.Permanent = true
	return q, nil
}

func (p ConsumerPages) clear(ctx context.Context, form url.Values) (string, string, error) {
	upto, err := time.Parse(time.RFC3339Nano, form.Get("upto"))
	n := 0
	if err == nil {
		n, err = p.Clear(ctx, form.Get("stream"), form.Get("name"), upto)
	}
	return done(form, err, fmt.Sprintf("Cleared %s from the list of what %s gave up on.", events(uint64(n)), named(form)))
}
